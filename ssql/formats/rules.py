"""What a format can hold: the checks that formats share, with ksqlDB's wording where its clients may look for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ssql.errors import FormatError, SchemaUnreadable, nearest
from ssql.formats.api import FormatSpec
from ssql.types import STRING, Array, Column, Map, Primitive, SqlType, Struct

_MAP_KEYS = (
    "Map keys, including types that contain maps, are not supported as they may lead to unexpected behavior due to "
    "inconsistent serialization. Key column name: `{name}`. Column type: {type}. "
    "See https://github.com/confluentinc/ksql/issues/6621 for more."
)


def base_name(t: SqlType) -> str:
    """The name of a type without its parameters: ARRAY, DECIMAL, STRING, ..."""
    return t.name if isinstance(t, Primitive) else type(t).__name__.upper()


def inner_types(t: SqlType) -> Iterable[SqlType]:
    """The type itself and every type inside it."""
    yield t
    if isinstance(t, Array):
        yield from inner_types(t.element)
    elif isinstance(t, Map):
        yield from inner_types(t.key)
        yield from inner_types(t.value)
    elif isinstance(t, Struct):
        for _, field in t.fields:
            yield from inner_types(field)


def refuse_properties(spec: FormatSpec, known: Sequence[str]) -> None:
    """Raise where the statement sets a property that the format does not have."""
    unknown = [name for name in spec.properties if name not in known]
    if unknown:
        close = nearest(unknown[0], known)
        raise FormatError(
            f"{spec.name} does not support the following configs: [{', '.join(unknown)}]",
            hint=f"Did you mean {close}?" if close else None,
        )


def check_wrapping(spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, supported: Sequence[bool]) -> None:
    """Raise where WRAP_SINGLE_VALUE asks for what the format or the number of columns does not allow."""
    if is_key or spec.wrap is None:
        return
    if spec.wrap not in supported:
        asked = str(spec.wrap).lower()
        raise FormatError(f"Format '{spec.name}' does not support 'WRAP_SINGLE_VALUE' set to '{asked}'.")
    if len(columns) != 1:
        raise FormatError("'WRAP_SINGLE_VALUE' is only valid for single-field value schemas")


def refuse_map_keys(columns: Sequence[Column], *, is_key: bool) -> None:
    """Raise where a key column is, or holds, a MAP."""
    for column in columns if is_key else ():
        if any(isinstance(t, Map) for t in inner_types(column.type)):
            raise FormatError(_MAP_KEYS.format(name=column.name, type=column.type))


def require_string_map_keys(name: str, columns: Sequence[Column]) -> None:
    """Raise where a MAP has keys that a text format cannot name."""
    for column in columns:
        for t in inner_types(column.type):
            if isinstance(t, Map) and t.key != STRING:
                raise FormatError(f"{name} only supports MAP types with STRING keys")


def unsupported(spec: FormatSpec, columns: Sequence[Column], reason: str, *, is_key: bool) -> FormatError:
    """The error of a schema that a format cannot hold."""
    schema = ", ".join(map(str, columns))
    features = {True: "WRAP_SINGLES", False: "UNWRAP_SINGLES", None: ""}[None if is_key else spec.wrap]
    part = "Key" if is_key else "Value"
    return FormatError(
        f"{part} format does not support schema.\nformat: {spec.name}\n"
        f"schema: Persistence{{columns=[{schema}], features=[{features}]}}\nreason: {reason}",
        hint=f"Choose another format in WITH, such as {part.upper()}_FORMAT = 'JSON'.",
    )


def require_primitives(spec: FormatSpec, columns: Sequence[Column], refused: Sequence[str], *, is_key: bool) -> None:
    """Raise where a column is of a type named in `refused`."""
    for column in columns:
        if base_name(column.type) in refused:
            reason = (
                f"The '{spec.name}' format does not support type '{base_name(column.type)}', column: `{column.name}`"
            )
            raise unsupported(spec, columns, reason, is_key=is_key)


def is_record(spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, wrapped: bool = True) -> bool:
    """True where the columns are held in a record, False where the single one is bare.

    `wrapped`: what the format does with a single value column unless the statement says otherwise.
    """
    if len(columns) != 1:
        return True
    if is_key:
        return False
    return wrapped if spec.wrap is None else spec.wrap


#: What the column of a bare key or value is called where its schema names none.
KEY_NAME = "ROWKEY"
VALUE_NAME = "ROWVAL"


def inferred(found: SqlType, *, is_key: bool, bare: bool) -> tuple[Column, ...]:
    """The columns of a schema's type: those of a record, or the one that a bare key or value is."""
    if bare:
        return (Column(KEY_NAME if is_key else VALUE_NAME, found, key=is_key),)
    if not isinstance(found, Struct):
        raise SchemaUnreadable(
            f"the schema is {base_name(found)}, which holds no columns",
            hint="Say WRAP_SINGLE_VALUE=false to read it as a single column.",
        )
    return tuple(Column(name, t, key=is_key) for name, t in found.fields)

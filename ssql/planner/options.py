"""What the surroundings of a statement say about how it is bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ssql.types import SqlType

#: Finds a custom type by name.
Types = Callable[[str], SqlType | None]


@dataclass(frozen=True)
class Options:
    """`types` finds the custom types that casts name. `partitions`: how many a topic has, None where that is not known.

    `extensions`: take what ksqlDB refuses although it has a clear meaning (see `refusals`). `keys_optional`: a stream's
    result may lack the key columns, and then has no key. `limits`: how many values an aggregate function keeps, by its
    name. `parameters`: the types of the values that `$x` stands for, by upper-cased name.
    """

    types: Types = lambda _: None
    partitions: Callable[[str], int | None] = lambda _: None
    extensions: bool = False
    keys_optional: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, SqlType] = field(default_factory=dict)


DEFAULTS = Options()

"""Functions over text (characters) and their twins over BYTES. Positions count from 1; negative ones from the end."""

from __future__ import annotations

import base64
import binascii
import re
from uuid import UUID

from ssql.functions.literals import int_literal, quoted
from ssql.functions.registry import Args, scalar
from ssql.functions.text import shortened

_S = "string"

scalar("LEN(STRING) -> INT", duckdb="CAST(length({0}) AS INTEGER)", category=_S, doc="How many characters a text has,"
       " or bytes a BYTES value.", examples={"LEN('hello')": "5", "LEN(TO_BYTES('né', 'utf8'))": "3"})  # fmt: skip
scalar("LEN(BYTES) -> INT", duckdb="CAST(octet_length({0}) AS INTEGER)", category=_S, doc="How many bytes it has.")
scalar("UCASE(STRING) -> STRING", duckdb="upper({0})", category=_S, doc="The text in upper case.",
       examples={"UCASE('abc')": "ABC"})  # fmt: skip
scalar("LCASE(STRING) -> STRING", duckdb="lower({0})", category=_S, doc="The text in lower case.",
       examples={"LCASE('AbC')": "abc"})  # fmt: skip

#: What Java's trim takes away: the space and the control characters before it (NUL cannot be in DuckDB's text here).
_BLANKS = "".join(map(chr, range(1, 33)))
scalar(
    "TRIM(STRING) -> STRING",
    duckdb=lambda a: f"trim({a[0]}, {quoted(_BLANKS)})",
    category=_S,
    doc="The text without the white space at both ends.",
    examples={"TRIM('  a b ')": "a b"},
)
scalar(
    "REPLACE(STRING, STRING, STRING) -> STRING",
    duckdb="replace({args})",
    category=_S,
    doc="The text with every occurrence of the second argument replaced by the third.",
    examples={"REPLACE('foo', 'o', '0')": "f00"},
)
scalar("MD5(STRING) -> STRING", duckdb="md5({0})", category=_S, doc="The MD5 hash of the text's UTF-8 bytes, in hex.",
       examples={"MD5('abc')": "900150983cd24fb0d6963f7d28e17f72"})  # fmt: skip


def _concat_bytes(a: Args) -> str:
    return "(" + " || ".join(f"coalesce({x}, ''::BLOB)" for x in a.sql) + ")"


_CONCAT = "All arguments, one after the other; NULLs are left out."
scalar(
    "CONCAT(STRING, STRING...) -> STRING",
    duckdb="concat({args})",
    category=_S,
    doc=_CONCAT,
    examples={"CONCAT('a', NULL, 'b')": "ab"},
)
scalar("CONCAT(BYTES, BYTES...) -> BYTES", duckdb=_concat_bytes, category=_S, doc=_CONCAT)


def _join_bytes(separator: bytes | None, *parts: bytes | None) -> bytes | None:
    return None if separator is None else separator.join(p for p in parts if p is not None)


_CONCAT_WS = (
    "The arguments after the first, with the first between them; NULLs are left out, NULL for a NULL separator."
)
scalar(
    "CONCAT_WS(STRING, STRING, STRING...) -> STRING",
    duckdb="concat_ws({args})",
    category=_S,
    doc=_CONCAT_WS,
    examples={"CONCAT_WS('-', 'a', NULL, 'b')": "a-b", "CONCAT_WS(NULL, 'a')": "NULL"},
)
scalar("CONCAT_WS(BYTES, BYTES, BYTES...) -> BYTES", python=_join_bytes, nulls="pass", category=_S, doc=_CONCAT_WS)


def _substring(a: Args) -> str:
    text, position = a[0], a[1]
    at = int_literal(position)
    if at is None:
        from_end = f"greatest(length({text}) + {position}, 0) + 1"
        start = f"CASE WHEN {position} < 0 THEN {from_end} WHEN {position} < 1 THEN 1 ELSE {position} END"
    elif at >= 0:
        start = str(max(at, 1))
    else:
        start = f"greatest(length({text}) - {-at}, 0) + 1"
    return f"substring({text}, {start})" if len(a) == 2 else f"substring({text}, {start}, greatest({a[2]}, 0))"


def _substring_of_length(a: Args) -> str:
    # greatest(NULL, 0) is 0 to DuckDB; a NULL length is to give NULL.
    return _substring(a) if int_literal(a[2]) is not None else f"CASE WHEN {a[2]} IS NOT NULL THEN {_substring(a)} END"


def _part(value: bytes, position: int, length: int | None = None) -> bytes:
    start = max(len(value) + position, 0) if position < 0 else max(position - 1, 0)
    return value[start:] if length is None else value[start : start + max(length, 0)]


_SUBSTRING = "The text from a position on (0 is the same as 1), or so many characters of it."
scalar(
    "SUBSTRING(STRING, INT) -> STRING",
    duckdb=_substring,
    category=_S,
    doc=_SUBSTRING,
    examples={"SUBSTRING('stream', 4)": "eam", "SUBSTRING('stream', -3)": "eam", "SUBSTRING('ab', 9)": ""},
)
scalar(
    "SUBSTRING(STRING, INT, INT) -> STRING",
    duckdb=_substring_of_length,
    category=_S,
    doc=_SUBSTRING,
    examples={"SUBSTRING('stream', 0, 2)": "st", "SUBSTRING('stream', -3, 2)": "ea", "SUBSTRING('ab', -5, 2)": "ab"},
)
scalar("SUBSTRING(BYTES, INT) -> BYTES", python=_part, category=_S, doc=_SUBSTRING)
scalar("SUBSTRING(BYTES, INT, INT) -> BYTES", python=_part, category=_S, doc=_SUBSTRING)


def _instr(text: str, part: str, position: int = 1, occurrence: int = 1) -> int:
    if occurrence <= 0:
        raise ValueError("the occurrence must be positive")
    if position == 0:
        return 0
    at = position - 1 if position > 0 else len(text) + position
    found = -1
    for _ in range(occurrence):
        found = text.find(part, at) if position > 0 else (text.rfind(part, 0, at + len(part)) if at >= 0 else -1)
        if found < 0:
            return 0
        at = found + 1 if position > 0 else found - 1
    return found + 1


_INSTR = (
    "The position of a text within another, 0 if it is not there; it is looked for from a position on (from a negative"
    " one backwards), and the n-th occurrence counts."
)
scalar(
    "INSTR(STRING, STRING) -> INT",
    duckdb="CAST(instr({args}) AS INTEGER)",
    category=_S,
    doc=_INSTR,
    examples={
        "INSTR('corporate floor', 'or')": "2",
        "INSTR('corporate floor', 'or', 3, 2)": "14",
        "INSTR('corporate floor', 'or', -3)": "5",
        "INSTR('corporate', 'x')": "0",
    },
)
scalar("INSTR(STRING, STRING, INT) -> INT", python=_instr, category=_S, doc=_INSTR)
scalar("INSTR(STRING, STRING, INT, INT) -> INT", python=_instr, category=_S, doc=_INSTR)

_LPAD = "The value with padding before it, up to a length; cut to the length if it is longer."
_RPAD = "The value with padding after it, up to a length; cut to the length if it is longer."
_PAD = "pad({0}, CASE WHEN {1} >= 0 THEN {1} END, nullif({2}, ''))"


def _lpad(value: bytes, length: int, padding: bytes) -> bytes | None:
    missing = _missing(value, length, padding)
    return None if missing is None else missing + value[: length - len(missing)]


def _rpad(value: bytes, length: int, padding: bytes) -> bytes | None:
    missing = _missing(value, length, padding)
    return None if missing is None else (value + missing)[:length]


def _missing(value: bytes, length: int, padding: bytes) -> bytes | None:
    """What is to be added; None where there is no such length, or nothing to add."""
    if length < 0 or not padding:
        return None
    count = max(length - len(value), 0)
    return (padding * (count // len(padding) + 1))[:count]


scalar(
    "LPAD(STRING, INT, STRING) -> STRING",
    duckdb="l" + _PAD,
    category=_S,
    doc=_LPAD,
    examples={"LPAD('foo', 7, 'Bar')": "BarBfoo", "LPAD('foo', 2, 'Bar')": "fo", "LPAD('foo', -1, 'Bar')": "NULL"},
)
scalar(
    "RPAD(STRING, INT, STRING) -> STRING",
    duckdb="r" + _PAD,
    category=_S,
    doc=_RPAD,
    examples={"RPAD('foo', 7, 'Bar')": "fooBarB", "RPAD('foo', 2, 'Bar')": "fo", "RPAD('foo', 5, '')": "NULL"},
)
scalar("LPAD(BYTES, INT, BYTES) -> BYTES", python=_lpad, category=_S, doc=_LPAD)
scalar("RPAD(BYTES, INT, BYTES) -> BYTES", python=_rpad, category=_S, doc=_RPAD)


def _split_bytes(value: bytes, delimiter: bytes) -> list[bytes]:
    if not delimiter:
        return [value[i : i + 1] for i in range(len(value))] or [b""]
    return value.split(delimiter)


_SPLIT = "The parts of a value between the delimiters; with an empty delimiter, its characters or bytes."
scalar(
    "SPLIT(STRING, STRING) -> ARRAY<STRING>",
    duckdb="CASE WHEN {1} IS NULL THEN NULL WHEN {0} = '' THEN [''] ELSE str_split({0}, {1}) END",
    category=_S,
    doc=_SPLIT,
    examples={"SPLIT('a$$b.c', '$$')": "[a, b.c]", "SPLIT('abc', '')": "[a, b, c]", "SPLIT(',a,', ',')": "[, a, ]"},
)
scalar("SPLIT(BYTES, BYTES) -> ARRAY<BYTES>", python=_split_bytes, category=_S, doc=_SPLIT)


def _split_to_map(text: str, entry_delimiter: str, pair_delimiter: str) -> list[tuple[str, str]] | None:
    if not entry_delimiter or not pair_delimiter:
        return None
    pairs = (entry.split(pair_delimiter) for entry in text.split(entry_delimiter) if entry)
    return list({p[0]: p[1] for p in pairs if len(p) > 1}.items())


scalar(
    "SPLIT_TO_MAP(STRING, STRING, STRING) -> MAP<STRING, STRING>",
    python=_split_to_map,
    category=_S,
    doc="A map from text such as 'k:v/k:v', given the delimiter of entries and that of key and value.",
    examples={"SPLIT_TO_MAP('a:1/b:2/a:3', '/', ':')": "{a=3, b=2}"},
)


def _initcap(text: str) -> str:
    return re.sub(r"\S+", lambda m: m[0][:1].upper() + m[0][1:].lower(), text)


scalar(
    "INITCAP(STRING) -> STRING",
    python=_initcap,
    category=_S,
    doc="The text with each word's first letter in upper case and the others in lower case.",
    examples={"INITCAP('the   Quick br0wn fOx')": "The   Quick Br0wn Fox"},
)


def _chr(code: str) -> str | None:
    units = re.fullmatch(r"(?:\\u[0-9A-Fa-f]{4}){1,2}", code)
    if units is None:
        return None
    text = bytes.fromhex(code.replace("\\u", "")).decode("utf-16-be", "ignore")
    return text if len(text) == 1 else None


_CHR = "The character of a code point, given as a number or as \\u escapes."
scalar(
    "CHR(INT) -> STRING",
    duckdb="chr(CASE WHEN {0} BETWEEN 1 AND 55295 OR {0} BETWEEN 57344 AND 1114111 THEN {0} END)",
    category=_S,
    doc=_CHR,
    examples={"CHR(75)": "K", "CHR('\\u597d')": "好", "CHR(-1)": "NULL"},
)
scalar("CHR(STRING) -> STRING", python=_chr, category=_S, doc=_CHR)

scalar(
    "ELT(INT, STRING, STRING...) -> STRING",
    duckdb="[{rest}][CASE WHEN {0} > 0 THEN {0} END]",
    category=_S,
    doc="The n-th of the arguments after the first; NULL if there is none.",
    examples={"ELT(2, 'a', 'b')": "b", "ELT(0, 'a')": "NULL"},
)
scalar(
    "FIELD(STRING, STRING, STRING...) -> INT",
    duckdb="CASE WHEN {0} IS NULL THEN 0 ELSE coalesce(CAST(list_position([{rest}], {0}) AS INTEGER), 0) END",
    category=_S,
    doc="The position of the first argument among the others; 0 if it is not there.",
    examples={"FIELD('b', 'a', 'b')": "2", "FIELD(NULL, 'a')": "0"},
)

scalar(
    "UUID() -> STRING",
    duckdb="CAST(uuid() AS VARCHAR)",
    category=_S,
    volatile=True,
    doc="A random UUID, or the text of the one that 16 bytes are; NULL for any other number of them.",
    examples={"LEN(UUID())": "36"},
)


def _uuid(value: bytes) -> str | None:
    return str(UUID(bytes=value)) if len(value) == 16 else None


scalar(
    "UUID(BYTES) -> STRING", python=_uuid, category=_S, doc="The text of the UUID that 16 bytes are; NULL for others."
)


def decode(text: str, encoding: str) -> bytes:
    """Text in hex (also 0x.. and X'..'), utf8, ascii or base64 as bytes; raises ValueError."""
    kind = encoding.lower()
    if kind == "hex":
        digits = re.fullmatch(r"(?:0x|(?P<x>X'))?([0-9A-Fa-f]*)(?(x)')", text)
        if digits is None:
            raise ValueError(f"{shortened(text)} is not hexadecimal")
        return bytes.fromhex(digits[2] if len(digits[2]) % 2 == 0 else "0" + digits[2])
    if kind == "utf8":
        return text.encode()
    if kind == "ascii":
        return text.encode("ascii", "replace")
    if kind == "base64":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise ValueError(f"{shortened(text)} is not base64") from None
    raise ValueError(f"there is no encoding {shortened(encoding)}")


def encode(value: bytes, encoding: str) -> str:
    """Bytes as text; bytes that are none in ASCII or UTF-8 become U+FFFD. Raises ValueError."""
    kind = encoding.lower()
    if kind == "hex":
        return value.hex().upper()
    if kind == "utf8":
        return value.decode(errors="replace")
    if kind == "ascii":
        return value.decode("ascii", errors="replace")
    if kind == "base64":
        return base64.b64encode(value).decode()
    raise ValueError(f"there is no encoding {shortened(encoding)}")


def _recode(text: str, source: str, target: str) -> str:
    out = encode(decode(text, source), target)
    return out.lower() if target.lower() == "hex" else out


scalar(
    "TO_BYTES(STRING, STRING) -> BYTES",
    python=decode,
    category=_S,
    doc="Text in one of the encodings hex, utf8, ascii, base64 as bytes.",
    examples={"FROM_BYTES(TO_BYTES('21', 'hex'), 'utf8')": "!"},
)
scalar(
    "FROM_BYTES(BYTES, STRING) -> STRING",
    python=encode,
    category=_S,
    doc="Bytes as text in one of the encodings hex, utf8, ascii, base64.",
    examples={"FROM_BYTES(TO_BYTES('1aB2', 'hex'), 'hex')": "1AB2"},
)
scalar(
    "ENCODE(STRING, STRING, STRING) -> STRING",
    python=_recode,
    category=_S,
    doc="Text in one encoding (hex, utf8, ascii, base64) written in another.",
    examples={"ENCODE('RXhhbXBsZSE=', 'base64', 'utf8')": "Example!", "ENCODE('!', 'utf8', 'hex')": "21"},
)

_CLASSES = ("X", "x", "n", "-")


def _masked(text: str, masks: tuple[str | None, ...]) -> str:
    upper, lower, digit, other = (m[:1] if m else m for m in masks)

    def one(ch: str) -> str:
        mask = upper if ch.isupper() else lower if ch.islower() else digit if ch.isdigit() else other
        return ch if mask is None else mask

    return "".join(map(one, text))


def _masks(given: tuple[str | None, ...]) -> tuple[str | None, ...]:
    return given or _CLASSES


def _count(n: int | None) -> int:
    if n is None or n < 0:
        raise ValueError("the number of characters must not be negative")
    return n


def _mask(text: str | None, *masks: str | None) -> str | None:
    return None if text is None else _masked(text, _masks(masks))


def _mask_left(text: str | None, n: int | None, *masks: str | None) -> str | None:
    return None if text is None else _masked(text[: _count(n)], _masks(masks)) + text[_count(n) :]


def _mask_right(text: str | None, n: int | None, *masks: str | None) -> str | None:
    return (
        None
        if text is None
        else text[: max(len(text) - _count(n), 0)] + _masked(text[max(len(text) - _count(n), 0) :], _masks(masks))
    )


def _mask_keep_left(text: str | None, n: int | None, *masks: str | None) -> str | None:
    return None if text is None else text[: _count(n)] + _masked(text[_count(n) :], _masks(masks))


def _mask_keep_right(text: str | None, n: int | None, *masks: str | None) -> str | None:
    return (
        None
        if text is None
        else _masked(text[: max(len(text) - _count(n), 0)], _masks(masks)) + text[max(len(text) - _count(n), 0) :]
    )


for _name, _python, _which, _examples in (
    ("MASK", _mask, "all", {"MASK('My Test $123')": "Xx-Xxxx--nnn", "MASK('aB1', '*', NULL, NULL, NULL)": "a*1"}),
    ("MASK_LEFT", _mask_left, "the first n", {"MASK_LEFT('My Test $123', 4)": "Xx-Xest $123"}),
    ("MASK_RIGHT", _mask_right, "the last n", {"MASK_RIGHT('My Test $123', 4)": "My Test -nnn"}),
    ("MASK_KEEP_LEFT", _mask_keep_left, "all but the first n", {"MASK_KEEP_LEFT('My Test $123', 4)": "My Txxx--nnn"}),
    ("MASK_KEEP_RIGHT", _mask_keep_right, "all but the last n", {"MASK_KEEP_RIGHT('My Test $123', 4)": "Xx-Xxxx-$123"}),
):
    _count_type = "" if _name == "MASK" else ", INT"
    _doc = (
        f"The text with {_which} of its characters masked: upper case by X, lower case by x, digits by n, all others by"
        " -, or by four masks of one's own, of which a NULL leaves its characters as they are."
    )
    scalar(
        f"{_name}(STRING{_count_type}) -> STRING",
        python=_python,
        nulls="pass",
        category=_S,
        doc=_doc,
        examples=_examples,
    )
    scalar(
        f"{_name}(STRING{_count_type}, STRING, STRING, STRING, STRING) -> STRING",
        python=_python,
        nulls="pass",
        category=_S,
        doc=_doc,
    )

"""Text to tokens, with the place of each.

ksqlDB's lexical rules: keywords and plain names in any case, `` `x` `` and `"x"` are names kept as written (a doubled
quote stands for one), `'...'` is text, `1` / `1.5` / `1e3` are INTEGER, DECIMAL and DOUBLE, `--` and `/* */` are
comments (`--@directive` too), `${v}` is a variable, `$p` an endpoint's parameter. A name may start with a digit and
hold `@`.

The lexer never fails: what is no token comes out as a `BAD` one that carries its message, so that a prompt can lex
half a statement; the parser refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from ssql.errors import InternalError, Span


class Kind(Enum):
    WORD = auto()  # keyword or plain name; `value` is upper-cased
    NAME = auto()  # quoted name; `value` is the name
    STRING = auto()  # `value` is the text
    INTEGER = auto()
    DECIMAL = auto()
    DOUBLE = auto()
    SYMBOL = auto()
    PARAMETER = auto()  # `$p`; `value` is the parameter's name, upper-cased
    VARIABLE = auto()  # `${v}`; `value` is the variable's name, upper-cased
    BAD = auto()  # `value` is what is wrong
    END = auto()


NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE})


@dataclass(frozen=True, slots=True)
class Token:
    """`raw` is the token as written; `start` and `end` are character offsets (half-open) into the script."""

    kind: Kind
    value: str
    raw: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


#: Words that are never names unless quoted. Fewer than ksqlDB reserves: only those where SQL would be ambiguous.
_RESERVED = """
    ALL AND AS BETWEEN BY CASE CAST CREATE DELETE DESCRIBE DISTINCT DROP ELSE END EXISTS FALSE FROM FULL GROUP
    HAVING IN INNER INSERT INTO IS JOIN LEFT LIKE LIMIT NOT NULL ON OR OUTER RIGHT SELECT STREAM TABLE TERMINATE
    THEN TRUE VALUES WHEN WHERE WINDOW WITH WITHIN
"""
RESERVED = frozenset(_RESERVED.split())

#: Words with a meaning in some place, and names everywhere else.
_NON_RESERVED = """
    ADD ADVANCE ALTER ARRAY ASC ASSERT AT BEGINNING CHANGES COLUMN CONNECTOR CONNECTORS CURRENT DATE DAY DAYS
    DECIMAL DEFAULT DEFINE DESC EMIT ENDPOINT ENDPOINTS ESCAPE EXPLAIN EXTENDED FINAL FOLLOWING FUNCTION FUNCTIONS
    GRACE HEADER HEADERS
    HOPPING HOUR HOURS ID IF INTEGER INTERVAL KEY LIST MAP MILLISECOND MILLISECONDS MINUTE MINUTES OFFSET ORDER
    OVER PARTITION PAUSE PERIOD PLUGINS PRECEDING PRIMARY PRINT PROPERTIES QUERIES RANGE REPLACE RESUME
    RETENTION ROW ROWS RUN SAMPLE SCHEMA SCRIPT SECOND SECONDS SESSION SET SHOW SINK SIZE SOURCE STREAMS STRING
    STRUCT SUBJECT SYSTEM TABLES TIME TIMEOUT TIMESTAMP TOPIC TOPICS TUMBLING TYPE TYPES UNBOUNDED UNDEFINE
    UNSET VARIABLES ZONE
"""
NON_RESERVED = frozenset(_NON_RESERVED.split())

#: Every word of the language, for completion and for hints.
KEYWORDS = RESERVED | NON_RESERVED

_TOKEN = re.compile(
    r"""
      (?P<skip>      \s+ | --[^\r\n]* | /\*(?s:.*?)\*/ | \ufeff )
    | (?P<comment>   /\*(?s:.*) )
    | (?P<string>    '[^']*(?:''[^']*)*' )
    | (?P<name>      `[^`]*(?:``[^`]*)*` | "[^"]*(?:""[^"]*)*" )
    | (?P<open>      ['`"][^\r\n]* )
    | (?P<variable>  \$\{\w+\} )
    | (?P<parameter> \$\w+ )
    | (?P<double>    (?:\d+\.\d*|\.\d+|\d+)[eE][+-]?\d+(?![\w@]) )
    | (?P<decimal>   \d+\.\d* | \.\d+ )
    | (?P<integer>   \d+(?![\w@]) )
    | (?P<word>      \w[\w@]* )
    | (?P<symbol>    -> | => | := | \|\| | <> | != | <= | >= | [-+*/%=<>(),.;\[\]] )
    | (?P<bad>       . )
    """,
    re.VERBOSE,
)

_KINDS = {
    "string": Kind.STRING,
    "name": Kind.NAME,
    "variable": Kind.VARIABLE,
    "parameter": Kind.PARAMETER,
    "double": Kind.DOUBLE,
    "decimal": Kind.DECIMAL,
    "integer": Kind.INTEGER,
    "word": Kind.WORD,
    "symbol": Kind.SYMBOL,
    "comment": Kind.BAD,
    "open": Kind.BAD,
    "bad": Kind.BAD,
}

UNCLOSED_STRING = "unclosed string"
UNCLOSED_NAME = "unclosed quoted name"
UNCLOSED_COMMENT = "unclosed comment"


def unquote(raw: str) -> str:
    """The content of a quoted name or a string as written, doubled quotes made single."""
    quote = raw[0]
    return raw[1:-1].replace(quote * 2, quote)


def quote_text(text: str) -> str:
    """Text as a string literal."""
    return "'" + text.replace("'", "''") + "'"


def is_plain_name(name: str) -> bool:
    """Whether a name comes back as itself when written without quotes."""
    return name == name.upper() and name not in RESERVED and _PLAIN.fullmatch(name) is not None


_PLAIN = re.compile(r"(?!\d+(?:E\d+)?$)[A-Z0-9_][A-Z0-9_@]*")  # 1A is a name, 1E5 is a number


def _value(group: str, raw: str) -> str:
    match group:
        case "word":
            return raw.upper()
        case "string" | "name":
            return unquote(raw)
        case "variable":
            return raw[2:-1].upper()
        case "parameter":
            return raw[1:].upper()
        case "open":
            return UNCLOSED_STRING if raw[0] == "'" else UNCLOSED_NAME
        case "comment":
            return UNCLOSED_COMMENT
        case "bad":
            return f'unexpected character "{raw}"'
    return raw


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a script, without an END. Lexing ends at an unclosed string, name or comment."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:  # the last alternative takes any one character but a line end, and \s takes those
            raise InternalError(f"no token at {at}")
        at = found.end()
        group = found.lastgroup or "bad"
        if group == "skip":
            continue
        raw = found.group()
        yield Token(_KINDS[group], _value(group, raw), raw, found.start(), at)
        if group == "open":
            return


def split_statements(text: str) -> tuple[list[str], str]:
    """The complete statements of a text (each with its semicolon), and what follows the last of them.

    For prompts: a semicolon inside a string, a quoted name or a comment ends nothing; the rest is "" when it is only
    space and closed comments, so that there is nothing to wait for.
    """
    complete: list[str] = []
    start, open_statement = 0, False
    for token in tokens(text):
        if token.kind is Kind.SYMBOL and token.raw == ";":
            if open_statement:
                complete.append(text[start : token.end].strip())
            start, open_statement = token.end, False
        else:
            open_statement = True
    return complete, text[start:].strip() if open_statement else ""

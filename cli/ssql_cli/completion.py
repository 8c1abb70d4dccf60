"""What Tab offers: what can stand at the cursor, from the names that the catalog knows now.

The text before the cursor is cut into words, not parsed: it is half a statement most of the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from ssql_cli import prompt_commands
from ssql_cli.catalog import Names
from ssql_cli.highlight import WORDS
from ssql_cli.pieces import split

_TOKEN = re.compile(r"'[^']*'?|`[^`]*`?|[\w@${}]+|[^\s\w]")
_WORD = re.compile(r"[\w@.$-]*\Z")
_MEMBER = re.compile(r"(`[^`]+`|\w+)\.(\w*)\Z")
_LITERAL = re.compile(r"'([^']*)\Z")
_ALIAS = re.compile(
    r"\b(?:FROM|JOIN)\s+(`[^`]+`|\w+)(?:\s+(?:AS\s+)?(?!ON\b|WHERE\b|WITHIN\b|EMIT\b)(\w+))?", re.IGNORECASE
)

#: After these words a stream or table is named.
_BEFORE_SOURCE = frozenset({"FROM", "JOIN", "INTO", "DESCRIBE", "COPY"})
_BEFORE_QUERY = frozenset({"TERMINATE", "EXPLAIN", "PAUSE", "RESUME"})
#: Options of CREATE ... WITH, and what those of few values take.
_OPTIONS = (
    "KAFKA_TOPIC", "VALUE_FORMAT", "KEY_FORMAT", "FORMAT", "PARTITIONS", "REPLICAS", "TIMESTAMP", "TIMESTAMP_FORMAT",
    "RETENTION_MS", "WRAP_SINGLE_VALUE", "VALUE_DELIMITER", "KEY_DELIMITER", "WINDOW_TYPE", "WINDOW_SIZE",
    "VALUE_SCHEMA_ID", "KEY_SCHEMA_ID",
)  # fmt: skip
#: What can follow a word, where that is little.
_LISTED = (
    "STREAMS", "TABLES", "QUERIES", "TOPICS", "FUNCTIONS", "PROPERTIES", "TYPES", "VARIABLES", "ENDPOINTS",
    "CONNECTORS",
)  # fmt: skip
_DEFINED = ("STREAM", "TABLE", "TYPE", "ENDPOINT", "CONNECTOR")
_AFTER: Mapping[str, Sequence[str]] = {
    "EMIT": ("CHANGES", "FINAL"), "WINDOW": ("TUMBLING", "HOPPING", "SESSION"), "GRACE": ("PERIOD",),
    "ADVANCE": ("BY",), "GROUP": ("BY",), "ORDER": ("BY",), "PARTITION": ("BY",), "INSERT": ("INTO",),
    "LEFT": ("JOIN",), "RIGHT": ("JOIN",), "FULL": ("JOIN", "OUTER"), "INNER": ("JOIN",), "OUTER": ("JOIN",),
    "SHOW": (*_LISTED, "ALL"), "LIST": _LISTED, "CREATE": (*_DEFINED, "OR", "SOURCE"), "DROP": _DEFINED,
    "ALTER": ("STREAM", "TABLE"), "PRIMARY": ("KEY",),
}  # fmt: skip
_FORMATS = ("JSON", "DELIMITED", "KAFKA", "AVRO", "PROTOBUF", "PROTOBUF_NOSR", "JSON_SR", "NONE")
_RESETS = ("earliest", "latest")


class SqlCompleter(Completer):
    """Completes commands, keywords, functions and the names that `names` gives; it asks nobody and never waits."""

    def __init__(self, names: Callable[[], Names]) -> None:
        self._names = names
        self._fixed: tuple[str, ...] | None = None
        #: The names of functions, once they are known.
        self.functions: frozenset[str] = frozenset()

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - the library's interface
    ) -> Iterator[Completion]:
        before, names = document.text_before_cursor, self._names()
        line = before.lstrip()
        if line.startswith("\\"):
            yield from _of_command(line, names)
            return
        if line and line == _word(line):
            yield from _matching(line, (n for n in prompt_commands.COMMANDS if not n.startswith("\\")))
        elif (found := prompt_commands.of_half(line)) is not None:
            command, rest = found
            yield from _matching(rest.split(" ")[-1], command.completer(names) if command.completer else ())
            return
        pieces = split(before)
        if pieces and not pieces[-1].complete:
            yield from self._in_statement(pieces[-1].text + _blanks(before), document.text, names)

    def _in_statement(self, before: str, whole: str, names: Names) -> Iterator[Completion]:
        literal = _LITERAL.search(before)
        if literal is not None and before.count("'") % 2:
            yield from _matching(literal[1], _in_literal(before[: literal.start()], names), keep_case=True)
            return
        if (member := _MEMBER.search(before)) is not None:
            yield from _matching(member[2], _members(member[1], whole, names))
            return
        word = _word(before)
        words = [token.upper() for token in _TOKEN.findall(before[: len(before) - len(word)])]
        yield from _matching(word, dict.fromkeys(self._candidates(words, word, whole, names)))

    def _candidates(self, words: Sequence[str], word: str, whole: str, names: Names) -> Iterator[str]:
        last = words[-1] if words else ""
        if last in _BEFORE_SOURCE:
            yield from names.sources
            if last not in ("INTO", "DESCRIBE"):
                return
        elif last in ("STREAM", "TABLE") and words[0] in ("DROP", "ALTER", "DESCRIBE"):
            yield from names.streams if last == "STREAM" else names.tables
        elif last in _BEFORE_QUERY:
            yield from names.queries
            if last != "EXPLAIN":
                yield "ALL"
        elif last == "PRINT":
            yield from names.topics
        elif last in _AFTER:
            yield from _AFTER[last]
            return
        elif _in_options(words):
            yield from _OPTIONS
        else:
            yield from _columns(whole, names)
        if word:
            yield from names.sources
            yield from self._words()

    def _words(self) -> tuple[str, ...]:
        """Keywords and functions. `prepare` has read them by then, in the background."""
        return self._fixed or ()

    def prepare(self) -> None:
        """Read keywords and functions, which imports much: for a thread at the start."""
        from ssql.functions.registry import names

        self.functions = frozenset(names())
        self._fixed = (*sorted(WORDS), *sorted(self.functions - WORDS))


def _of_command(line: str, names: Names) -> Iterator[Completion]:
    name, blank, rest = line.partition(" ")
    if not blank:
        yield from _matching(name, (n for n in prompt_commands.COMMANDS if n.startswith("\\")))
        return
    command = prompt_commands.COMMANDS.get(name)
    if command is not None and command.completer is not None:
        yield from _matching(rest.split(" ")[-1], command.completer(names))


def _in_literal(before: str, names: Names) -> Sequence[str]:
    """What a string at the end of `before` may say."""
    words = [token.upper() for token in _TOKEN.findall(before)]
    if words[-1:] in (["SET"], ["UNSET"]) and len(words) == 1:
        return names.properties
    if words[-1:] == ["PRINT"]:
        return names.topics
    if words[-1:] == ["="] and len(words) > 1:
        if words[-2].endswith("FORMAT") and words[-2] != "TIMESTAMP_FORMAT":
            return _FORMATS
        if words[-2] == "KAFKA_TOPIC":
            return names.topics
        if "AUTO.OFFSET.RESET" in words[-2]:
            return _RESETS
    return ()


def _members(qualifier: str, whole: str, names: Names) -> Sequence[str]:
    """The columns of a source, or of what an alias in the statement stands for."""
    for source, alias in _ALIAS.findall(whole):
        if alias.upper() == qualifier.upper():
            return names.columns.get(_stored(source), ())
    return names.columns.get(_stored(qualifier), ())


def _columns(whole: str, names: Names) -> Iterator[str]:
    """The columns of all sources that the statement names, also behind the cursor."""
    mentioned = {_stored(token) for token in _TOKEN.findall(whole)}
    for source in names.sources:
        if source in mentioned:
            yield from names.columns.get(source, ())


def _in_options(words: Sequence[str]) -> bool:
    """Whether the bracket of a WITH is still open."""
    if "WITH" not in words:
        return False
    after = words[words.index("WITH") + 1 :]
    return after[:1] == ["("] and after.count("(") > after.count(")")


def _stored(name: str) -> str:
    return name[1:-1] if name[:1] == "`" else name.upper()


def _word(text: str) -> str:
    found = _WORD.search(text)
    return found.group() if found else ""


def _blanks(text: str) -> str:
    """The white space at the end of a text, which statements are cut without."""
    return text[len(text.rstrip()) :]


def _matching(word: str, candidates: Iterable[str], *, keep_case: bool = False) -> Iterator[Completion]:
    """Candidates that begin with `word`, in its case where it is all lower."""
    for candidate in candidates:
        if candidate.lower().startswith(word.lower()):
            text = candidate.lower() if word and word.islower() and not keep_case else candidate
            yield Completion(text, start_position=-len(word))

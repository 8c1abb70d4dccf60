"""Files of tests: what ksqlDB's `run-ksql-test` reads, with the assertions that ssql adds.

    --@test: a name                   starts a test
    --@expected.error: a class        the test must end with an error; a Java class of ksqlDB's, or a code of ours
    --@expected.message: a text       what that error must say
    --@once: a reason                 the test is not carried out again in other ways

What stands before the first test of a file is done at the start of each of its tests; a file without a test is one
test. RUN SCRIPT 'path' stands for the statements of that file; the path counts from the folder of the file that says
so, else from the current one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssql.errors import InvalidStatement, Span, SsqlError, WrongTestFile, position_of
from ssql.sql.lexer import Kind, Token, tokens
from ssql.sql.parser import parse_statement
from ssql.sql.statements import RunScript
from ssql.testing.records import Record

_DIRECTIVE = re.compile(r"^[ \t]*--@(?P<name>[\w.]+)(?::[ \t]*(?P<value>[^\n]*?))?[ \t\r]*$", re.MULTILINE)
_BLOCK_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_KNOWN = ("test", "expected.error", "expected.message", "once")
_RUN_SCRIPT = re.compile(r"RUN\s+SCRIPT\b", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A file's text. `path` as people gave it."""

    path: str
    text: str

    def line(self, offset: int) -> int:
        return position_of(self.text, offset).line


@dataclass(frozen=True)
class Item:
    """One statement, or one assertion, where it stands. `text` is without its semicolon."""

    source: Source
    span: Span

    @property
    def text(self) -> str:
        return self.source.text[self.span.start : self.span.end]

    @property
    def place(self) -> str:
        return f"{self.source.path}:{self.source.line(self.span.start)}"

    def located(self, error: SsqlError) -> SsqlError:
        """The error of this statement, with its place in the whole file."""
        if error.text is not None and error.text.rstrip(";") == self.text.rstrip(";"):
            error.span = Span(0, 1) if error.span is None else error.span
            error.span = error.span.shift(self.span.start)
            error.text = self.source.text
        return error


@dataclass(frozen=True)
class Input:
    """Records that come in, in order."""

    place: str
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Output:
    """Records that the topics they name must hold, exactly and in order. `any_zero`: a timestamp of 0 says nothing."""

    place: str
    records: tuple[Record, ...]
    any_zero: bool


Step = Item | Input | Output


@dataclass(frozen=True)
class Expected:
    """The error that a test must end with. `kind`: a code of ours, or a Java class; None: any."""

    kind: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class SqlTest:
    """One test. `once`: why it is carried out in one way alone, None where it is not."""

    name: str
    path: str
    line: int
    steps: tuple[Step, ...]
    expected: Expected | None = None
    once: str | None = None

    @property
    def id(self) -> str:
        return f"{self.path}::{self.name}"


def read_tests(path: Path) -> list[SqlTest]:
    """The tests of a file, in order.

    Raises:
        WrongTestFile: a directive is none, or stands where it means nothing; a script cannot be read.
        SyntaxSqlError: a text that is no token.
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    return tests_of(Source(str(path), path.read_text(encoding="utf-8")), path.stem)


def tests_of(source: Source, stem: str) -> list[SqlTest]:
    """The tests of a text; `stem` names the one of a text without directives."""
    shared = current = SqlTest(stem, source.path, 1, ())
    found: list[SqlTest] = []
    started = False
    for part in _parts(source):
        if isinstance(part, Item):
            current = replace(current, steps=(*current.steps, *_expanded(part, ())))
            continue
        name, value = part["name"], (part["value"] or "").strip()
        if name != "test":
            current = _directed(current, name, value, part, source)
            continue
        if started:
            found.append(current)
        else:
            shared, started = current, True
        current = replace(shared, name=value or stem, line=source.line(part.start("name")))
    found.append(current)
    return [test for test in found if test.steps]


def _directed(test: SqlTest, name: str, value: str, at: re.Match[str], source: Source) -> SqlTest:
    """The test as a directive has it."""
    span = Span(at.start("name") - 1, at.end("name"))
    if name not in _KNOWN:
        raise WrongTestFile(f'there is no directive "{name}"', span=span, candidates=_KNOWN, name=name).within(
            source.text
        )
    if not value:
        raise WrongTestFile(f'the directive "{name}" needs a value', span=span).within(source.text)
    if name == "once":
        return replace(test, once=value)
    expected = test.expected or Expected()
    field = {"kind": value} if name == "expected.error" else {"message": value}
    return replace(test, expected=replace(expected, **field))


def _parts(source: Source) -> Iterator[Item | re.Match[str]]:
    """Statements and directives in order."""
    found = list(tokens(source.text))
    directives = _directives(source.text, found)
    for item in items_of(source, found):
        while directives and directives[0].start() < item.span.start:
            yield directives.pop(0)
        yield item
    yield from directives


def _directives(text: str, found: Sequence[Token]) -> list[re.Match[str]]:
    """The directives of a text: none of them within a string, a quoted name or a comment of several lines."""
    hidden = list(text)
    for token in found:
        hidden[token.start : token.end] = "x" * (token.end - token.start)
    shown = _BLOCK_COMMENT.sub(lambda m: re.sub(r"[^\n]", "x", m.group()), "".join(hidden))
    return [_real(text, m) for m in _DIRECTIVE.finditer(shown)]


def _real(text: str, shown: re.Match[str]) -> re.Match[str]:
    real = _DIRECTIVE.match(text, shown.start())
    assert real is not None
    return real


def items_of(source: Source, found: Sequence[Token] | None = None) -> list[Item]:
    """The statements of a text."""
    items: list[Item] = []
    first: Token | None = None
    last: Token | None = None
    for token in found if found is not None else tokens(source.text):
        if token.kind is Kind.SYMBOL and token.raw == ";":
            if first and last:
                items.append(Item(source, Span(first.start, last.end)))
            first = last = None
        else:
            first, last = first or token, token
    if first and last:
        items.append(Item(source, Span(first.start, last.end)))
    return items


def _expanded(item: Item, above: tuple[Path, ...]) -> Iterator[Item]:
    """The item, or the items of the script that it runs. `above`: the scripts that it is run by."""
    if not _RUN_SCRIPT.match(item.text):
        yield item
        return
    try:
        statement = parse_statement(item.text)
        assert isinstance(statement, RunScript)
        path = Path(item.source.path).parent / statement.path
        path = path if path.exists() else Path(statement.path)
        if path.resolve() in above:
            raise InvalidStatement(f'script "{path}" runs itself', span=statement.span)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as bad:
            why = getattr(bad, "strerror", None) or "it is no UTF-8 text"
            raise WrongTestFile(f'could not read "{path}": {why.lower()}', span=statement.span) from None
    except SsqlError as error:
        raise item.located(error.within(item.text)) from None
    for inner in items_of(Source(str(path), text)):
        yield from _expanded(inner, (*above, path.resolve()))

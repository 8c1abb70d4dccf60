"""A walk over the tokens of one statement, which knows what could have stood where it stopped.

Every question (`accept`, `accept_words`, ...) that is answered with no is remembered for its token, so that the error
can say what was expected there, find the keyword that a misspelt word was meant to be, and name the parenthesis that
is still open.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from ssql.errors import Span, SyntaxSqlError, WholeNumberNeeded, position_of
from ssql.sql.lexer import KEYWORDS, NUMBERS, RESERVED, UNCLOSED_STRING, Kind, Token
from ssql.sql.statements import Name

T = TypeVar("T")

_CLOSES = {"(": ")", "[": "]", "<": ">"}

MIN_MISSPELT = 3  # anything is near to a shorter word
MIN_LIKENESS = 0.7  # FORM is FROM, MONTHS is not MINUTES
MAX_LISTED = 5  # more alternatives than this do not help a reader
MAX_TOKENS = 3  # as many ksqlDB lists

#: ksqlDB's names for what is one token.
_TOKEN_NAMES = {
    "a length": "INTEGER_VALUE",
    "a length of time": "INTEGER_VALUE",
    "a whole number": "INTEGER_VALUE",
    "a string": "STRING",
}


class Cursor:
    """`text` is the whole script that the tokens' offsets count in; `tokens` ends with an END token. `parameters`:
    `$x` may stand where a literal may."""

    def __init__(self, tokens: Sequence[Token], text: str, *, parameters: bool = False) -> None:
        self.tokens = tokens
        self.text = text
        self.parameters = parameters
        self.index = 0
        #: By token index: what could have stood there, and whether the message lists it.
        self._expected: dict[int, dict[str, bool]] = {}
        self._open: list[Token] = []
        self._aliases: set[int] = set()

    # --- looking ---------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    @property
    def last(self) -> Token:
        """The token taken last."""
        return self.tokens[max(0, self.index - 1)]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def is_symbol(self, symbol: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind is Kind.SYMBOL and token.raw == symbol

    def is_word(self, *words: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind is Kind.WORD and token.value in words

    def is_words(self, *words: str) -> bool:
        """Whether these words come next, in this order."""
        return all(self.is_word(word, ahead=i) for i, word in enumerate(words))

    def is_name(self, ahead: int = 0) -> bool:
        """Whether a name comes next: a quoted one, or a word that is not reserved."""
        token = self.peek(ahead)
        return token.kind is Kind.NAME or (token.kind is Kind.WORD and token.value not in RESERVED)

    # --- taking ----------------------------------------------------------------------------------------------------

    def advance(self) -> Token:
        token = self.token
        if token.kind is not Kind.END:
            self.index += 1
        return token

    def wanted(self, *what: str, quietly: bool = False) -> None:
        """Remember what could have stood here. `quietly`: for hints, too obvious for the message to list."""
        here = self._expected.setdefault(self.index, {})
        for option in what:
            here[option] = here.get(option, False) or not quietly

    def accept(self, symbol: str) -> bool:
        if self.is_symbol(symbol):
            self.advance()
            return True
        self.wanted(f'"{symbol}"')
        return False

    def accept_words(self, *words: str) -> bool:
        """Take these words when all of them come next; else none."""
        if self.is_words(*words):
            self.index += len(words)
            return True
        if len(words) > 1 and self.is_word(words[0]):
            return self._half_taken(words)
        self.wanted(" ".join(words))
        return False

    def _half_taken(self, words: tuple[str, ...]) -> bool:
        """Remember, at the first word that differs, what would have gone on from there."""
        start = self.index
        while self.is_word(words[self.index - start]):
            self.index += 1
        self.wanted(" ".join(words[self.index - start :]))
        self.index = start
        return False

    def expect(self, symbol: str) -> Token:
        if not self.accept(symbol):
            raise self.unexpected()
        return self.last

    def expect_words(self, *words: str) -> None:
        for word in words:
            if not self.accept_words(word):
                raise self.unexpected()

    def one_of(self, *words: str) -> str:
        """Take one of these words."""
        for word in words:
            if self.accept_words(word):
                return word
        raise self.unexpected()

    def name(self, what: str = "a name", *, keep_case: bool = False) -> Name:
        """Take a name. `keep_case`: topics and such are named as written, also without quotes."""
        if not self.is_name():
            raise self.unexpected(what)
        token = self.advance()
        quoted = token.kind is Kind.NAME
        if not token.value:
            raise self.error("a quoted name cannot be empty", token.span)
        return Name(token.raw if keep_case and not quoted else token.value, token.span, quoted)

    def alias(self) -> Name:
        """Take a name that no AS announces: it may be a misspelt keyword, which only the next token shows."""
        self._aliases.add(self.index)
        return self.name()

    def string(self, what: str = "a string") -> Token:
        if self.token.kind is not Kind.STRING:
            raise self.unexpected(what)
        return self.advance()

    def integer(self, what: str = "a whole number") -> int:
        if self.token.kind is not Kind.INTEGER:
            raise self.unexpected(what)
        return int(self.advance().raw)

    def count(self, command: str) -> int:
        """The whole number after `command`, which may have a sign. Raises WholeNumberNeeded for a fraction."""
        start = self.token
        negative = self.is_symbol("-") and self.peek().kind in NUMBERS
        if negative:
            self.advance()
        if self.token.kind in NUMBERS and self.token.kind is not Kind.INTEGER:
            self.advance()
            raise WholeNumberNeeded(command, span=self.span_from(start)).within(self.text)
        number = self.integer()
        return -number if negative else number

    def parenthesised(self, item: Callable[[], T]) -> T:
        """`( item )`."""
        self.open("(")
        value = item()
        self.close(")")
        return value

    def listed(self, item: Callable[[], T], *, may_be_empty: bool = False) -> tuple[T, ...]:
        """`( item, .. )`."""
        self.open("(")
        items: tuple[T, ...] = ()
        if not (may_be_empty and self.is_symbol(")")):
            items = self.several(item)
        self.close(")")
        return items

    def several(self, item: Callable[[], T]) -> tuple[T, ...]:
        """`item, ..`."""
        items = [item()]
        while self.accept(","):
            items.append(item())
        return tuple(items)

    def open(self, symbol: str) -> None:
        self._open.append(self.expect(symbol))

    def close(self, symbol: str) -> None:
        self.expect(symbol)
        self._open.pop()

    def span_from(self, start: Token | Span) -> Span:
        """From a place to the end of the token taken last."""
        return Span(start.start, self.last.end)

    # --- failing ---------------------------------------------------------------------------------------------------

    def error(self, message: str, span: Span, hint: str | None = None) -> SyntaxSqlError:
        """An error that is told in these words alone."""
        error = SyntaxSqlError(message, hint=hint, span=span)
        error.within(self.text)
        return error

    def unexpected(self, *what: str) -> SyntaxSqlError:
        """The error of the token at hand, in terms of what was expected there (also of `what`).

        Where some words of several that belong together were there, the error is at the first that was not.
        """
        self.wanted(*what)
        self.index = max(self.index, *self._expected)
        token = self.token
        expected = self._expected[self.index]
        keyword = _near(token, expected)
        if keyword is None and (misspelt := self._misspelt_alias()):
            return misspelt
        listed = [what for what, is_listed in expected.items() if is_listed]
        reserved = _names_reserved(token, expected)
        error = SyntaxSqlError(
            _expectation(listed) + _found(token),
            hint=f"Did you mean {keyword}?" if keyword else self._hint(token, expected),
            span=self._place(token),
            found=";" if token.kind is Kind.END else token.raw,
            expected=_tokens(listed),
            missing=self._missing(expected),
            reserved=reserved,
            statements=sorted(listed) if "SELECT" in listed and "CREATE" in listed else (),
        )
        error.within(self.text)
        return error

    def _missing(self, expected: Mapping[str, bool]) -> str | None:
        """The symbol that closes what is open, where it was the one thing that had to stand here."""
        if not self._open or self.token.kind is Kind.END:
            return None
        closing = _CLOSES[self._open[-1].raw]
        needed = [what for what, listed in expected.items() if listed]
        return f"'{closing}'" if needed == [f'"{closing}"'] else None

    def _place(self, token: Token) -> Span:
        """Of the end: just after the last token, where something is missing."""
        if token.kind is not Kind.END:
            return token.span
        end = self.last.end
        return Span(end, end + 1)

    def _misspelt_alias(self) -> SyntaxSqlError | None:
        """`FROM s WHER x`: WHER was taken for an alias, and the error shows only at x."""
        before = self.index - 1
        if before not in self._aliases or not (_starts_operand(self.token) or self.token.kind is Kind.WORD):
            return None
        alias = self.tokens[before]
        keyword = _near(alias, self._expected.get(before, {}))
        if keyword is None:
            return None
        return self.error(f'unexpected "{alias.raw}"', alias.span, f"Did you mean {keyword}?")

    def _hint(self, token: Token, expected: Mapping[str, bool]) -> str | None:
        if _names_reserved(token, expected):
            return f"{token.value} is a reserved word. Quote it to use it as a name: `{token.value}`."
        if self._open and f'"{_CLOSES[self._open[-1].raw]}"' in expected and not self._closes():
            opening = self._open[-1]
            place = position_of(self.text, opening.start)
            return f'The "{opening.raw}" at line {place.line}:{place.column} is not closed.'
        if token.kind is Kind.VARIABLE:
            return "Variable substitution is switched off."
        if self.is_symbol(",") and "JOIN" in expected:
            return "Join several sources with JOIN .. ON."
        if '","' in expected and _starts_operand(token) and not self.is_symbol("("):
            return f'Is a comma missing before "{token.raw}"?'
        return None

    def _closes(self) -> bool:
        """Whether the rest of the statement closes all that is open of the innermost open kind."""
        opening = self._open[-1].raw
        depth = sum(token.raw == opening for token in self._open)
        for token in self.tokens[self.index :]:
            if token.kind is Kind.SYMBOL:
                depth += (token.raw == opening) - (token.raw == _CLOSES[opening])
        return depth <= 0


def _names_reserved(token: Token, expected: Iterable[str]) -> bool:
    """Whether a reserved word stands where a name was to be."""
    wants_name = any(what.startswith("a ") and "name" in what for what in expected)
    return wants_name and token.kind is Kind.WORD and token.value in RESERVED


def _tokens(listed: Sequence[str]) -> tuple[str, ...]:
    """What was expected as ksqlDB lists it, where all of it is single tokens and few of them; else nothing."""
    found = [_TOKEN_NAMES.get(what) or (f"'{what.strip(chr(34))}'" if _is_token(what) else "") for what in listed]
    return tuple(found) if len(found) <= MAX_TOKENS and all(found) else ()


def _is_token(what: str) -> bool:
    return what.startswith('"') or (what.isupper() and " " not in what)


def _near(token: Token, expected: Iterable[str]) -> str | None:
    """The keyword among what was expected that a word is a misspelling of."""
    if token.kind is not Kind.WORD or len(token.value) < MIN_MISSPELT:
        return None
    first_words = (what.split(" ")[0] for what in expected)
    keywords = [word for word in first_words if word in KEYWORDS and len(word) >= MIN_MISSPELT]
    if token.value in keywords:
        return None
    found = difflib.get_close_matches(token.value, keywords, n=1, cutoff=MIN_LIKENESS)
    return found[0] if found else None


def _starts_operand(token: Token) -> bool:
    if token.kind is Kind.WORD:
        return token.value not in RESERVED
    return token.kind in NUMBERS or token.kind in {Kind.NAME, Kind.STRING} or token.raw == "("


def _expectation(expected: list[str]) -> str:
    if not expected or len(expected) > MAX_LISTED:
        return "unexpected "
    listed = ", ".join(expected[:-1]) + " or " + expected[-1] if len(expected) > 1 else expected[0]
    return f"expected {listed}, found "


def _found(token: Token) -> str:
    if token.kind is Kind.END:
        return "end of statement"
    if token.kind is Kind.STRING:
        return token.raw
    return f'"{token.raw}"'


def lexical_error(token: Token, text: str) -> SyntaxSqlError:
    """The error of a BAD token."""
    hint = None
    if token.value == UNCLOSED_STRING:
        hint = "Close it with '; inside a string, '' stands for one '."
    error = SyntaxSqlError(token.value, span=token.span, hint=hint)
    error.within(text)
    return error

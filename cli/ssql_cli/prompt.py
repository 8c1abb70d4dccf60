"""What a command of the prompt is, and what it may touch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ssql_cli.catalog import Names
from ssql_cli.runner import Runner

#: What may follow a command's name.
WordCompleter = Callable[[Names], Iterable[str]]


class Leave(Exception):
    """The user wants to leave the prompt."""


class Prompt(Protocol):
    """What a command may touch."""

    runner: Runner
    #: The statements that were carried out last.
    last: str
    #: What the next input begins with.
    prefill: str

    def history(self) -> Iterable[str]:
        """What was entered, oldest first."""

    def connect(self, url: str) -> None:
        """Work on another server from now on. Raises `ServerUnavailable`; all stays as it was then."""


@dataclass(frozen=True)
class Command:
    """A command of the prompt: what it does, and what carries it out, given what follows its name.

    `completer`: what may follow; `free`: anything may.
    """

    help: str
    handler: Callable[[Prompt, str], None]
    completer: WordCompleter | None = None
    free: bool = False


def one_of(*words: str) -> WordCompleter:
    """A completer of fixed words."""
    return lambda _: words


def say(prompt: Prompt, text: str) -> None:
    """Tell what is no row."""
    prompt.runner.notices.write(text + "\n")

"""Commands that show what there is, and how statements are written. One entry of `LOOKING` a command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from typing import Any

from ssql_cli.backend import Entity
from ssql_cli.entities import matching, write_entity
from ssql_cli.prompt import Command, Prompt, one_of, say

_WILD = re.compile(r"[*?]")
_FENCE = re.compile(r"^```\n", re.MULTILINE)
_HEADING = re.compile(r"^#{2,3} ", re.MULTILINE)


def quoted(name: str) -> str:
    """A name as SQL takes it: what is no plain name needs quotes."""
    name = name.rstrip(";").strip()
    return name if name.isidentifier() or name[:1] == "`" else f"`{name}`"


def _show(prompt: Prompt, entity: Entity) -> None:
    runner = prompt.runner
    with runner.paged() as out:
        write_entity(entity, runner.form, out, runner.notices, runner.look())


def _listed(statement: str, described: str | None, prompt: Prompt, rest: str) -> None:
    """What a statement lists; with a pattern what matches it, with a name (where there is `described`) that one."""
    pattern = rest.rstrip(";").strip()
    if pattern and described and not _WILD.search(pattern):
        prompt.runner.run(described.format(quoted(pattern)))
        return
    for entity in prompt.runner.backend.execute(statement):
        shown = matching(entity, pattern) if pattern else entity
        if shown is None:
            say(prompt, f"nothing matches {pattern}")
        else:
            _show(prompt, shown)


def _sources(prompt: Prompt) -> list[dict[str, Any]]:
    """Streams and tables with what SHOW tells of each."""
    found = []
    for statement, key, kind in (("SHOW STREAMS;", "streams", "STREAM"), ("SHOW TABLES;", "tables", "TABLE")):
        for entity in prompt.runner.backend.execute(statement):
            found += [{**source, "type": kind} for source in entity.get(key) or ()]
    return found


def _described(prompt: Prompt, rest: str) -> None:
    pattern = rest.rstrip(";").strip()
    if not pattern:
        _show(prompt, {"@type": "sources", "sources": _sources(prompt)})
    elif _WILD.search(pattern):
        shown = matching({"sources": _sources(prompt)}, pattern)
        if shown is None:
            say(prompt, f"nothing matches {pattern}")
        else:
            for number, source in enumerate(shown["sources"]):
                prompt.runner.out.write("\n" if number else "")
                prompt.runner.run(f"DESCRIBE `{source['name']}`;")
    else:
        prompt.runner.run(f"DESCRIBE {quoted(pattern)};")


def _described_more(prompt: Prompt, rest: str) -> None:
    pattern = rest.rstrip(";").strip()
    if pattern and not _WILD.search(pattern):
        prompt.runner.run(f"DESCRIBE {quoted(pattern)} EXTENDED;")
        return
    found = [
        source
        for statement in ("SHOW STREAMS EXTENDED;", "SHOW TABLES EXTENDED;")
        for entity in prompt.runner.backend.execute(statement)
        for source in entity.get("sourceDescriptions") or ()
    ]
    entity = {"@type": "sources_extended", "sources": found}
    shown = matching(entity, pattern) if pattern else entity
    if shown is None:
        say(prompt, f"nothing matches {pattern}")
    else:
        _show(prompt, shown)


def _topics(statement: str) -> Callable[[Prompt, str], None]:
    return partial(_listed, statement, None)


def _syntax(prompt: Prompt, rest: str) -> None:
    """The parts of the manual of statements that are about some words."""
    words = rest.rstrip(";").upper().split()
    parts = list(_manual())
    found = [text for title, text in parts if _is_about(title, text, words)]
    if not words:
        titles = "\n".join(f"  {title}" for title, _ in parts)
        text = f"\\h STATEMENT shows how a statement is written. The parts of the manual:\n{titles}\n"
    elif not found:
        say(prompt, f"no statement begins with {' '.join(words)}; \\h lists them")
        return
    else:
        text = "\n".join(found)
    with prompt.runner.paged() as out:
        out.write(text)


def _manual() -> Iterator[tuple[str, str]]:
    """The parts of the manual with their titles."""
    text = files("ssql_cli").joinpath("statements.md").read_text(encoding="utf-8")
    for part in _HEADING.split(text)[1:]:
        title, _, body = part.partition("\n")
        if body.strip():
            yield title, f"{title}\n\n{_FENCE.sub('', body).strip()}\n"


def _is_about(title: str, text: str, words: list[str]) -> bool:
    if not words:
        return False
    lines = [title.upper(), *(line.upper() for line in text.splitlines() if line.startswith(words[0]))]
    return any(line.startswith(words[0]) and all(word in line for word in words) for line in lines) or any(
        part.strip().startswith(" ".join(words)) for part in title.upper().split(",")
    )


#: What a statement may begin with.
STATEMENTS = (
    "ALTER", "ASSERT", "CREATE", "DEFINE", "DESCRIBE", "DROP", "EXPLAIN", "INSERT", "PAUSE", "PRINT", "RESUME",
    "SELECT", "SET", "SHOW", "TERMINATE", "UNDEFINE", "UNSET",
)  # fmt: skip

LOOKING: dict[str, Command] = {
    "\\d": Command("streams and tables; one with its columns: \\d name, or all that match: \\d order*", _described,
        lambda n: n.sources),
    "\\d+": Command("the same, with more of each: \\d+, \\d+ name", _described_more, lambda n: n.sources),
    "\\dt": Command("tables: \\dt, \\dt order*, \\dt name", partial(_listed, "SHOW TABLES;", "DESCRIBE {};"),
        lambda n: n.tables),
    "\\ds": Command("streams: \\ds, \\ds order*, \\ds name", partial(_listed, "SHOW STREAMS;", "DESCRIBE {};"),
        lambda n: n.streams),
    "\\dq": Command("queries, or the plan of one: \\dq id", partial(_listed, "SHOW QUERIES;", "EXPLAIN {};"),
        lambda n: n.queries),
    "\\df": Command("functions: \\df, \\df *date*, \\df name",
        partial(_listed, "SHOW FUNCTIONS;", "DESCRIBE FUNCTION {};"), lambda n: n.functions),
    "\\dT": Command("types that have a name", partial(_listed, "SHOW TYPES;", None), free=True),
    "\\de": Command("endpoints, or one of them", partial(_listed, "SHOW ENDPOINTS;", "DESCRIBE ENDPOINT {};"),
        free=True),
    "\\dc": Command("connectors, or one of them", partial(_listed, "SHOW CONNECTORS;", "DESCRIBE CONNECTOR {};"),
        free=True),
    "\\l": Command("topics: \\l, \\l order*", _topics("SHOW TOPICS;"), lambda n: n.topics),
    "\\l+": Command("topics, with who reads them", _topics("SHOW TOPICS EXTENDED;"), lambda n: n.topics),
    "\\h": Command("how a statement is written: \\h create table", _syntax, one_of(*STATEMENTS)),
}  # fmt: skip

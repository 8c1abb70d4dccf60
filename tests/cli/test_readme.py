"""What the README shows works as it is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ssql_cli.main import make_parser

from .test_command import ssql

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_tour_of_one_minute(tmp_path: Path) -> None:
    [tour, _] = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    definitions, pull, push = re.split(r"(?=SELECT \* FROM spent)", tour)
    # The prompt has all the time in the world; here the push query waits for the sum, then the pull query must have it.
    ends_by_itself = push.replace("EMIT CHANGES;", "WHERE orders = 2 EMIT CHANGES LIMIT 1;")
    ran = ssql(tmp_path, "-o", "csv", "-e", definitions + ends_by_itself + pull)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "CUSTOMER,ORDERS,TOTAL\nada,2,7.75\n" * 2


def test_every_command_line_is_one_that_the_command_takes() -> None:
    lines = [shlex.split(line, comments=True) for line in re.findall(r"^    ssql (.+)$", README, re.MULTILINE)]
    assert {line[0] for line in lines} >= {"-e", "run", "server"}
    for line in lines:
        make_parser().parse_args(line)  # exits where one is wrong


def test_every_file_that_is_linked_is_there() -> None:
    for page in ("README.md", "docs/architecture.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / link).exists(), link


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):(.*)$", text, re.MULTILINE)
    assert {"install", "demo", "test", "check", "bench", "kafka"} <= {name for name, _ in targets}
    assert all("## " in rest for _, rest in targets)

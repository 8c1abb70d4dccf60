"""What people get: a wheel in an environment of its own, with what it asks for; and the tests that the README shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "testing.md"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Carries out a command of a fresh environment into which a wheel of this project was installed."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", symlinks=True)
    python = str(folder / "venv" / "bin" / "python")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def pip(*arguments: str | Path) -> None:
        subprocess.run([sys.executable, "-m", "pip", "-q", *map(str, arguments)], env=environ, check=True, timeout=280)

    # A build leaves files in the folder that it is made in.
    source = folder / "source"
    for name in ("ssql", "cli", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "-w", folder, source)
    [wheel] = folder.glob("*.whl")
    pip("--python", python, "install", "--no-compile", "-c", ROOT / "constraints.txt", wheel)

    environ["PATH"] = f"{folder / 'venv' / 'bin'}{os.pathsep}{environ['PATH']}"

    def ran(cwd: Path, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, shell=True, cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False
        )

    return ran


@pytest.mark.slow
def test_the_wheel_has_every_page(run: Run, tmp_path: Path) -> None:
    listed = run(tmp_path, "ssql docs")
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {line.split()[0] for line in listed.stdout.splitlines()} == pages, listed.stderr
    assert run(tmp_path, "ssql docs reference/statements.md#print").stdout.startswith("### PRINT\n")
    assert "site-packages" in run(tmp_path, "python -c 'import ssql; print(ssql.__file__)'").stdout


@pytest.mark.slow
def test_the_recipe_for_ci_works_in_an_environment_of_its_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "tests").mkdir()
    queries = tmp_path / "queries" / "spent.sql"
    tour, test = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    queries.write_text(tour.partition("INSERT")[0])
    (tmp_path / "tests" / "spent.sql").write_text(test)
    for ends, wrong in ((0, 0), (1, 1)):
        if wrong:
            queries.write_text(queries.read_text().replace("SUM(price)", "SUM(prce)"))
        ran = [run(tmp_path, command) for command in recipe()]
        assert [one.returncode for one in ran] == [ends, ends], [one.stdout + one.stderr for one in ran]
        suite = ElementTree.parse(tmp_path / "results.xml").getroot()
        assert sum(1 for _ in suite.iter("failure")) + sum(1 for _ in suite.iter("error")) == wrong
    assert "queries/spent.sql:" in ran[0].stderr
    assert "SUM(prce)" in ran[0].stderr


def recipe() -> list[str]:
    """The commands of the page on tests, after the installation."""
    [commands] = re.findall(r"```sh\npip install ssql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(commands).splitlines()


def test_the_recipes_of_ci_servers_have_the_same_commands() -> None:
    for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL):
        assert re.findall(r"- (?:run: )?(ssql .*)", text) == recipe()

"""Where npm puts the clients for Node, and a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where npm has put the clients."""
    if shutil.which("npm") is None:
        if os.environ.get("CI") or os.environ.get("SSQL_REQUIRE_KAFKA"):
            pytest.fail("npm not found", pytrace=False)
        pytest.skip("npm not found: the clients for Node are not tried")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(HERE / "package.json", folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=240)
    return folder


#: Prints where the browser is, once it is unpacked into TMPDIR; with the libraries that it needs, as for a cloud's
#: bare machines.
_UNPACK = "import('@sparticuz/chromium').then(async found => console.log(await found.default.executablePath()))"


@dataclass(frozen=True)
class Browser:
    """A headless Chromium: its program, and the environment that it needs."""

    program: str
    environment: dict[str, str]


@pytest.fixture(scope="session")
def chromium(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A headless browser, out of an npm package."""
    folder = tmp_path_factory.mktemp("chromium")
    bare_machine = {"TMPDIR": str(folder), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"}
    unpacked = subprocess.run(
        ["node", "-e", _UNPACK],
        cwd=node_modules,
        env={**os.environ, **bare_machine},
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    libraries = {"LD_LIBRARY_PATH": str(folder / "al2023" / "lib"), "HOME": str(folder)}
    return Browser(unpacked.stdout.strip(), {**os.environ, **libraries})

"""Where npm puts the clients for Node, and a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
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


@pytest.fixture(scope="session")
def chromium() -> str:
    """A headless browser, where the machine has one."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("no Chromium found: EventSource is tried with npm's alone")

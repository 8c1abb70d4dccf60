"""The `ssql` command as a process that goes on until the test is done with it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

SSQL = str(Path(sys.executable).with_name("ssql"))


@contextlib.contextmanager
def running(*arguments: str, says: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A long-running sub-command that has said (on stderr) what it says when it is ready; told to stop at the end."""
    with subprocess.Popen([SSQL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said: list[str] = []
            for line in process.stderr:
                said.append(line)
                if says in line:
                    break
            else:
                raise AssertionError("it ended: " + "".join(said))
            # Its log must not fill the pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield process, line
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            process.kill()


def server(data: Path, *arguments: str) -> contextlib.AbstractContextManager[tuple[subprocess.Popen[str], str]]:
    """`ssql server` on a free port and its line that says where it is."""
    return running("server", "--data", str(data), "--listen", "127.0.0.1:0", *arguments, says="ready at ")


def url_of(line: str) -> str:
    return line.split("ready at ")[1].strip()

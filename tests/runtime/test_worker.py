"""The worker's thread."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ssql.config import WORKER_NICENESS, Config
from ssql.errors import ConfigError
from ssql.log.embedded import EmbeddedLog
from ssql.runtime.worker import DataflowWorker


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
@pytest.mark.parametrize("niceness", [0, 3, 19])
def test_it_gives_way_as_far_as_it_is_told(tmp_path: Path, niceness: int) -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    with closing(EmbeddedLog(tmp_path)) as log:
        worker = DataflowWorker(log, Config({WORKER_NICENESS.key: niceness}))
        worker.start()
        assert worker.caught_up(10)
        thread = worker._thread.native_id
        assert thread is not None
        assert os.getpriority(os.PRIO_PROCESS, thread) == min(19, mine + niceness)
        worker.close()
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine


def test_it_never_pushes_itself_forward() -> None:
    with pytest.raises(ConfigError, match="from 0 to 19"):
        Config().with_values({"worker.niceness": "-5"})

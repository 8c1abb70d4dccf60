"""Run all benchmarks: `python -m benchmarks [ROWS [TABLE_ROWS]]`."""

from __future__ import annotations

import sys

from benchmarks import latency, load, pipeline

sizes = [int(argument) for argument in sys.argv[1:3]]
latency.main()
pipeline.main(*sizes)
load.main()

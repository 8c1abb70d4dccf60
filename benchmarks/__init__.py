"""Benchmarks: they check their answers, and print ratios within one run. `python -m benchmarks` runs all."""

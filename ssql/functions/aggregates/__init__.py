"""Aggregate functions, as accumulators that merge. Importing this package fills the registry.

An accumulator's `delta` and `merge` have the same type, so a state may be merged with a state (session windows) as
well as with a delta; `{s}` stands for the earlier one of the two, and either may be NULL.
"""

from ssql.functions.aggregates import collect, extremes, moments, offsets, standard, sums

__all__ = ["collect", "extremes", "moments", "offsets", "standard", "sums"]

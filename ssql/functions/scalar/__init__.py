"""Scalar functions, a module a category. Importing this package fills the registry."""

from ssql.functions.scalar import arrays, conditional, dates, json, lambdas, maps, math, regex, standard, strings, urls
from ssql.functions.scalar import bytes as bytes_

__all__ = [
    "arrays",
    "bytes_",
    "conditional",
    "dates",
    "json",
    "lambdas",
    "maps",
    "math",
    "regex",
    "standard",
    "strings",
    "urls",
]

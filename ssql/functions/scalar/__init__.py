"""Scalar functions, a module a category. Importing this package fills the registry."""

from ssql.functions.scalar import conditional, math

__all__ = ["conditional", "math"]

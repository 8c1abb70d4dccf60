from __future__ import annotations

import pytest

from ssql import kernels


@pytest.fixture(scope="session")
def warm() -> None:
    """The compiled kernels, loaded (seconds at the very first time, then from numba's cache)."""
    kernels.warm_up()
    assert kernels.ready()

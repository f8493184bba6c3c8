"""Start of a function: no collections until it is finished, and errors that the invocation repeats."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from evercert import cold_start
from evercert.errors import Misconfigured

gc.enable()  # the import has disabled collections, for all tests of this process


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    """Import has disabled collections; restore what pytest runs with."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def test_finish_prepares_without_collections() -> None:
    enabled = []
    cold_start.finish(lambda: enabled.append(gc.isenabled()))
    assert enabled == [False]
    assert gc.isenabled()


def test_finish_exempts_loaded_objects_from_collections() -> None:
    before = gc.get_freeze_count()
    cold_start.finish(lambda: None)
    assert gc.get_freeze_count() > before + 1_000


def test_finish_leaves_tolerated_errors_to_the_invocation() -> None:
    def fail() -> None:
        raise Misconfigured("no table")

    cold_start.finish(fail, Misconfigured)
    assert gc.isenabled()


def test_finish_raises_other_errors() -> None:
    with pytest.raises(ZeroDivisionError):
        cold_start.finish(lambda: 1 / 0, Misconfigured)

"""Memory management of commands that read large documents."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest

from evercert.cli.memory import garbage_collection_paused


@pytest.mark.parametrize("enabled", [True, False])
def test_collections_pause_and_resume_as_before(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with suppress(ValueError), garbage_collection_paused():
            assert not gc.isenabled()
            raise ValueError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(("number", "frozen"), [(1_000, False), (100_001, True)])
def test_a_large_document_is_not_searched_for_garbage(number: int, frozen: bool) -> None:
    gc.collect()
    before = gc.get_freeze_count()
    try:
        with garbage_collection_paused():
            document = [[] for _ in range(number)]
        assert (gc.get_freeze_count() > before) is frozen
        assert len(document) == number
    finally:
        gc.unfreeze()

"""Memory management of commands that read large documents."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_LARGE = 100_000  # objects of a large document, which remains until the command ends


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Pause the collection of cyclic garbage: it would search a growing document again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_count()[0] > _LARGE:
                gc.freeze()  # or the first collection takes as long as a fifth of the reading
            gc.enable()

"""Start a function faster: functions import this module first, and call `finish` last.

While a function loads its modules, nothing becomes garbage, and each collection searches everything that was loaded.
Lambda gives a full CPU until `finish` returns, and later a share that depends on the function's memory. Therefore the
first clients are created before.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress

gc.disable()


def finish(prepare: Callable[[], object], *tolerated: type[Exception]) -> None:
    """Prepare the first invocation, and resume collections; they will not search what is loaded by now.

    The invocation repeats what raises one of the `tolerated` errors, and reports it.
    """
    with suppress(*tolerated):
        prepare()
    gc.freeze()
    gc.enable()

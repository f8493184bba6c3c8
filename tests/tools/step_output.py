"""Output of a run of many steps: one line per step with its time, and everything that a failed step printed."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print one line when the step has ended; if it fails, print what it has printed."""
    terminal, said, began = sys.stdout, io.StringIO(), time.monotonic()
    if terminal.isatty():
        print(f"      …  {title}", end="\r", flush=True)
    try:
        with redirect_stdout(said):
            yield
    except BaseException:
        print(f"{time.monotonic() - began:6.1f} s  FAILED: {title}\n{said.getvalue()}", end="", flush=True)
        raise
    print(f"{time.monotonic() - began:6.1f} s  {title}", flush=True)

"""A quieter log for as long as one call of a function's handler takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(logger: logging.Logger, level: int) -> Iterator[None]:
    """Log nothing below `level`; the logger is the process's own, which tests that run later read."""
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)

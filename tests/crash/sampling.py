"""Samples of a matrix: `make test` runs some points, `--every 1` all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

OFFSET = random.SystemRandom().randrange(10**6)  # each run draws another sample
_Point = TypeVar("_Point")


def sample(points: Sequence[_Point], every: int, always: Callable[[_Point], bool] = lambda _: False) -> list[_Point]:
    """Return every `every`-th point, plus the important ones."""
    return [point for number, point in enumerate(points) if number % every == OFFSET % every or always(point)]

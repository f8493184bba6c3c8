"""One reader of outside input, and its fuzzing: every input must give a value or a typed error."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evercert.errors import EvercertError
from tests.fuzz.changes import mutated

ANY_TYPED = (ValueError, EvercertError)  # of functions whose callers handle ValueError


@dataclass(frozen=True)
class Reader:
    """A reader: valid samples, a function that reads one input, and the errors that it may raise.

    `change` returns a changed sample; `cost` is the time of one input in relation to others: a costly one gets fewer.
    """

    name: str
    samples: Callable[[], list[Any]]
    read: Callable[[Any], object]
    change: Callable[[Any, random.Random], Any] = mutated
    typed: tuple[type[Exception], ...] = ANY_TYPED
    cost: int = 1


def attempt(reader: Reader, data: Any, seed: object) -> None:
    """Read one input; raise AssertionError with the input for an error that is not typed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(data)
    except reader.typed:
        return
    except Exception as error:
        shown = f"{type(error).__name__}: {error}"
        raise AssertionError(f"{reader.name}: {shown[:300]}; seed {seed}; input {data!r}") from error


def fuzz(reader: Reader, count: int, seed: int) -> None:
    """Read all samples, and `count` changed ones."""
    chance = random.Random(f"{seed} {reader.name}")
    samples = reader.samples()
    for sample in samples:
        attempt(reader, sample, seed)
    for _ in range(count):
        attempt(reader, reader.change(chance.choice(samples), chance), seed)

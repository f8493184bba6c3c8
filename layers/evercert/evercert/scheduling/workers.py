"""Workers that handle the batches of a tick: one after the other, or several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Workers(Protocol):
    """Function that runs a task for each batch, in order; the first error cancels tasks that have not begun."""

    def __call__(self, task: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        """Yield the results in the order of the batches."""


def in_turn(task: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
    """Run one task after the other."""
    return map(task, batches)


def in_threads(count: int) -> Workers:
    """Return workers that run up to `count` tasks at once.

    The first task runs alone: it creates the clients, which is not safe in several threads, and most ticks have no
    second one.
    """

    def run(task: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        rest = list(batches)
        if rest:
            yield task(rest[0])
        if len(rest) > 1:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (only a backlog needs it)

            with ThreadPoolExecutor(count) as pool:
                # An error cancels the tasks that have not begun.
                yield from pool.map(task, rest[1:])

    return run

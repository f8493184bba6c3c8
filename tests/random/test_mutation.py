"""A seeded share of the fuzzing: `make soak` runs the rest."""

from __future__ import annotations

import random

import pytest

from tests.random.mutation import READERS, Reader, fuzz, mutated

SEED = random.SystemRandom().randrange(10**9)
COUNT = 10_000


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_mutated_input_raises_typed_errors(reader: Reader) -> None:
    print(f"seed {SEED}")
    fuzz(reader, COUNT // len(READERS), SEED)


def test_mutation_is_reproducible() -> None:
    data = bytes(range(200))
    assert mutated(data, random.Random("7")) == mutated(data, random.Random("7")) != data


def test_fuzz_reports_an_untyped_error() -> None:
    def read(data: bytes) -> None:
        raise KeyError("x")

    with pytest.raises(AssertionError, match="broken: KeyError: 'x'; seed 1; input"):
        fuzz(Reader("broken", lambda: [b"abc"], read), 1, 1)

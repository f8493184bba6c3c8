"""A seeded share of the fuzzing: `make soak` runs the rest."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.changes import changed_tree, mutated
from tests.fuzz.reader import Reader, fuzz
from tests.fuzz.registry import OF_PKI, READERS, shares

SEED = random.SystemRandom().randrange(10**9)
COUNT = 30_000


@pytest.mark.parametrize(("reader", "count"), list(shares(COUNT)), ids=[reader.name for reader in READERS])
def test_changed_input_raises_typed_errors(reader: Reader, count: int) -> None:
    print(f"seed {SEED}")
    fuzz(reader, count, SEED)


def test_a_third_of_the_inputs_is_for_certificates() -> None:
    counts = {reader.name: count for reader, count in shares(COUNT)}
    assert abs(sum(counts[reader.name] for reader in OF_PKI) - COUNT // 3) < len(READERS)
    assert abs(sum(counts.values()) - COUNT) < len(READERS)


def test_mutation_is_reproducible() -> None:
    data = bytes(range(200))
    assert mutated(data, random.Random("7")) == mutated(data, random.Random("7")) != data


def test_changed_tree_leaves_the_sample() -> None:
    tree = {"a": [1, {"b": "c"}]}
    changed = [changed_tree(tree, random.Random(number)) for number in range(50)]
    assert tree == {"a": [1, {"b": "c"}]} and all(one is not tree for one in changed)
    assert sum(one != tree for one in changed) > 40


def test_fuzz_reports_an_untyped_error() -> None:
    def read(data: bytes) -> None:
        raise KeyError("x")

    with pytest.raises(AssertionError, match="broken: KeyError: 'x'; seed 1; input"):
        fuzz(Reader("broken", lambda: [b"abc"], read), 1, 1)


def test_fuzz_accepts_only_typed_errors() -> None:
    def read(data: bytes) -> None:
        raise ValueError

    fuzz(Reader("typed", lambda: [b"abc"], read), 1, 1)
    with pytest.raises(AssertionError, match="untyped: ValueError"):
        fuzz(Reader("untyped", lambda: [b"abc"], read, typed=()), 1, 1)

"""The mutants are current: each safeguard is in its file once, its tests exist, and the page names it."""

from __future__ import annotations

import re

import pytest

from tests.tools.local_stack import ROOT
from tests.tools.mutants import MUTANTS, PACKAGE, PAGE, Mutant, page


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.safeguard)
def test_mutant_matches_its_file_once(mutant: Mutant) -> None:
    source = (PACKAGE / mutant.file).read_text()
    assert source.count(mutant.original) == 1
    compile(source.replace(mutant.original, mutant.mutated), mutant.file, "exec")  # broken syntax proves nothing


@pytest.mark.parametrize("tests", sorted({mutant.tests for mutant in MUTANTS}))
def test_mutant_names_existing_tests(tests: str) -> None:
    file, _, name = tests.partition("::")
    source = (ROOT / file).read_text()
    assert not name or f"def {name.partition('[')[0]}(" in source


def test_mutant_names_are_unique() -> None:
    names = [(mutant.file, mutant.safeguard) for mutant in MUTANTS]
    assert len(set(names)) == len(names)


def test_promises_page_is_current() -> None:
    """Run `python -m tests.tools.mutants --write` to regenerate it."""
    assert PAGE.read_text() == page(PAGE.read_text())


def test_promises_page_names_existing_tests() -> None:
    for path in re.findall(r"`(tests/[\w/.]+)`", PAGE.read_text()):
        assert (ROOT / path).exists(), path

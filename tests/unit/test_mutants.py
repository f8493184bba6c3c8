"""The list of mutants is alive: each safeguard still stands where its mutant takes it away, and is documented."""

from __future__ import annotations

import pytest

from tests.local_stack import ROOT
from tests.mutants import MUTANTS, PACKAGE, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_safeguard_stands_where_the_mutant_looks_for_it(mutant: Mutant) -> None:
    source = (PACKAGE / mutant.file).read_text()
    assert source.count(mutant.with_it) == 1
    compile(source.replace(mutant.with_it, mutant.without), mutant.file, "exec")  # what does not run notices nothing
    assert mutant.name in (ROOT / "docs" / "promises.md").read_text()

"""One safeguard that can be taken away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One safeguard, the text that makes it, the text without it, and the tests that must fail."""

    name: str
    file: str
    with_it: str
    without: str
    tests: str

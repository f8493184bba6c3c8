"""Port of the console to documents: plans them, and applies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class InvalidInput(Exception):
    """Mistakes in a document or a form; `lines` has one line for each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True)
class DocumentPlan:
    """Effect of a document that is not written yet, as lines of text, and notes."""

    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    empty: bool = False


class DocumentService(Protocol):
    """Plans and applies documents as `evercert apply` does; raises InvalidInput, and the errors of the stack."""

    def plan(self, text: str) -> DocumentPlan:
        """Compare the document with the stack, read-only."""

    def apply(self, text: str) -> DocumentPlan:
        """Plan the document again, and write it. Idempotent."""

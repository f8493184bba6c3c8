"""The generated reference pages are current."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.reference_pages import REFERENCE, pages

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_reference_page_is_current(path: Path) -> None:
    """Run `python -m tests.tools.reference_pages --write` to regenerate it."""
    assert path.read_text() == PAGES[path]


def test_command_line_page_has_every_command() -> None:
    page = PAGES[REFERENCE / "command-line.md"]
    for name in ("validate", "apply", "renew", "doctor", "authority init", "authority identity create"):
        assert f"`evercert {name}`" in page
    assert "`--dry-run`" in page

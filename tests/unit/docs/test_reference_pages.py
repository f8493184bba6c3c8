"""The generated reference pages are current."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.reference_pages import pages

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_reference_page_is_current(path: Path) -> None:
    """Run `python -m tests.tools.reference_pages --write` to regenerate it."""
    assert path.read_text() == PAGES[path]

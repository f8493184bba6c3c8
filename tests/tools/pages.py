"""Code blocks of the pages in docs/, for tests that run them."""

from __future__ import annotations

import re
import textwrap

from tests.tools.local_stack import ROOT

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str = "", section: str | None = None) -> list[str]:
    """Return the blocks of a language, by default of commands, of a page or of one section (its heading)."""
    text = (ROOT / "docs" / page).read_text()
    if section is not None:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = [textwrap.dedent(body) for _, kind, body in BLOCK.findall(text) if kind == language]
    assert found, f"{page}: no block of {language or 'commands'}"
    return found

"""Every message that the troubleshooting page quotes is one that the code can print."""

from __future__ import annotations

import re

import pytest

from tests.tools.local_stack import ROOT

PAGE = (ROOT / "docs" / "reference" / "troubleshooting.md").read_text()
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "layers" / "evercert").rglob("*.py")))
JOINED = re.sub(r'"\s*\n\s*f?"', "", SOURCE)  # adjacent literals are one text


@pytest.mark.parametrize("message", QUOTED)
def test_quoted_message_exists_in_the_code(message: str) -> None:
    for part in message.split("…"):
        assert part.strip() in JOINED


def test_page_quotes_many_messages() -> None:
    assert len(QUOTED) > 25

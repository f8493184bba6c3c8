"""Documents in the pages and examples are valid."""

from __future__ import annotations

import re

import pytest
import yaml

from evercert.authority.configuration.document import VERSION as AUTHORITY_VERSION
from evercert.authority.configuration.document import AuthorityDocument, Known
from evercert.authority.configuration.document import read as read_authority
from evercert.cli.files import KINDS
from evercert.documents.document import Document, read
from tests.tools.local_stack import ROOT

AUTHORITY = ROOT / "examples" / "authority.yaml"
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "web.yaml", AUTHORITY]
FOUND = [
    pytest.param(text, id=f"{page.name}-{number}")
    for page in PAGES
    for number, text in enumerate(
        [page.read_text()]
        if page.suffix == ".yaml"
        else [block for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL) if "version:" in block]
    )
]


@pytest.mark.parametrize("text", FOUND)
def test_documents_on_pages_are_valid(text: str) -> None:
    data = yaml.safe_load(text)
    if data["version"] == AUTHORITY_VERSION:
        found: object = read_authority(data, "evercert", Known(["issuing-ec", "issuing-rsa"]))
        assert isinstance(found, AuthorityDocument), found
        return
    found = read(data, KINDS)
    assert isinstance(found, Document), found


def test_pages_contain_documents() -> None:
    assert len(FOUND) >= 3

"""Pages that name files of a release name those of this version."""

from __future__ import annotations

import re

from evercert import __version__
from tests.tools.local_stack import ROOT


def test_pages_name_files_of_this_version() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    found = {(page.name, one) for page in pages for one in re.findall(r"evercert-(\d+\.\d+\.\d+)", page.read_text())}
    assert {name for name, _ in found} >= {"README.md", "deploy.md", "upgrade.md"}
    assert [one for one in sorted(found) if one[1] != __version__] == []

"""The page of log outcomes explains every outcome of the code."""

from __future__ import annotations

import re
from typing import get_args

from evercert.contracts.ports import Unclaimed
from evercert.issuance.run_result import LogOutcome
from tests.tools.local_stack import ROOT

PAGE = (ROOT / "docs" / "reference" / "log-outcomes.md").read_text()
WORDS = re.compile(r'Report\(\s*"([a-z-]+)"|"outcome": "([a-z-]+)"')


def outcomes() -> set[str]:
    """Return the outcomes of a run in the code, without event types and error kinds."""
    sources = [*(ROOT / "layers" / "evercert").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    found = {word for source in sources for match in WORDS.findall(source.read_text()) for word in match if word}
    return found | set(Unclaimed) | set(get_args(LogOutcome))


def test_log_outcomes_page_explains_every_outcome() -> None:
    words = outcomes()
    assert {"nothing-to-do", "out-of-time", "undeliverable", "checked", "busy"} <= words
    explained = set(re.findall(r"`([a-z-]+)`", PAGE.partition("## Words in the logs")[2]))
    assert words <= explained, words - explained

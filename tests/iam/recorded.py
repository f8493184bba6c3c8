"""The file of all distinct needs that the tests have recorded (recorded_needs.jsonl).

`make check` judges it without running the tests; the tests of `RECORDED` (live.py) fail for a need that is not in it.
`WRITE_NEEDS=1` before pytest adds the needs of the tests that run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.iam.canonical import Entry

FILE = Path(__file__).with_name("recorded_needs.jsonl")
HOW = "run the test again with WRITE_NEEDS=1 and commit tests/iam/recorded_needs.jsonl"


def lines(entries: Iterable[Entry]) -> set[str]:
    """Return the entries as lines of the file."""
    return {json.dumps(entry, sort_keys=True, ensure_ascii=False) for entry in entries}


@cache
def known() -> frozenset[str]:
    """Return the lines of the file."""
    return frozenset(FILE.read_text().splitlines()) if FILE.exists() else frozenset()


def read() -> list[Entry]:
    """Return the entries of the file."""
    return [json.loads(line) for line in sorted(known())]


def compare(needs: set[str]) -> None:
    """Fail a test whose needs are not in the file; with WRITE_NEEDS, add them instead."""
    new = needs - known()
    if new and os.environ.get("WRITE_NEEDS"):
        add(new)
    elif new:
        pytest.fail(
            "\n".join([f"needs that tests/iam/recorded_needs.jsonl lacks; {HOW}:", *sorted(new)]), pytrace=False
        )


def add(new: set[str]) -> None:
    """Add lines to the file, also if other processes have added some."""
    old = set(FILE.read_text().splitlines()) if FILE.exists() else set()
    FILE.write_text("".join(f"{line}\n" for line in sorted(old | new)))
    known.cache_clear()

"""A short kill storm on a deployed stack; `make soak` runs a long one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.storm.processes import supported
from tests.storm.storm import Size, storm

SHORT = Size(seconds=25, each=3, lifetime=75, strike_every=1.2, step_every=5.0)


@pytest.mark.timeout(1500)
@pytest.mark.skipif(not supported(), reason="needs /proc")
def test_storm_violates_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = storm(random.SystemRandom().randrange(1_000_000), SHORT, tmp_path)
    assert not report.violations, str(report)
    with capsys.disabled():
        print(f"\n{report}")

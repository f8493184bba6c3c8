"""The previous release, from the history of the repository, and its programs as processes beside those of this tree."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.tools.local_stack import ROOT

# No version has been tagged yet. This is the last state of the main branch before the changes of "Right on real AWS" in
# the changelog, the first of which changes what is stored (the owner tag): what an operator who deployed from main has.
# Replace it by the tag of each release, after that release.
PREVIOUS = "67b1fca0c52910f09518fb9adc1db342c4935c0f"
MISSING = f"the clone lacks commit {PREVIOUS[:7]}, the previous release: run git fetch --unshallow"
PARTS = ("layers/evercert", "functions", "template.yaml")
RUNNER = ROOT / "tests" / "tools" / "release_runner.py"
KILLER = ROOT / "tests" / "stack" / "killer"


def previous(folder: Path) -> Path | None:
    """Write the previous release into the folder; return None if the clone is too shallow to have it."""
    done = subprocess.run(["git", "archive", PREVIOUS, *PARTS], cwd=ROOT, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def has_history() -> bool:
    """Return whether this is a clone with its whole history, which must have the previous release."""
    command = ["git", "rev-parse", "--is-shallow-repository"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() == "false"


@dataclass(frozen=True)
class Release:
    """A release, and the environment of its functions; the interpreter and the dependencies are those of the tests."""

    root: Path
    environment: Mapping[str, str]

    def evercert(self, *commands: list[str]) -> list[str]:
        """Run commands of this release, one after the other; return their standard outputs."""
        done = self._python("commands", standard_input=json.dumps(commands))
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert [code for code, _ in results] == [0] * len(commands), done.stdout + done.stderr
        return [output for _, output in results]

    def run(self, ahead: timedelta) -> str:
        """Run the functions until nothing is due, with their clock ahead; return their log."""
        return self._python("functions", str(int(ahead.total_seconds()))).stdout

    def _python(self, *arguments: str, standard_input: str = "") -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.root / "layers" / "evercert"), str(KILLER)])
        done = subprocess.run(
            [sys.executable, "-P", str(RUNNER), str(self.root), *arguments],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, **self.environment},
            input=standard_input, cwd=self.root, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr)[-6_000:]
        return done

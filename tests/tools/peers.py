"""`make peers`: tests with other people's programs.

Each test says which program it needs. A missing program skips its tests and is named at the end; with CI=true it fails,
unless `REFUSED` lists it: programs that their registry refuses, with the refusal.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.tools.local_stack import ROOT

REFUSED: dict[str, str] = {}
REQUIRED = os.environ.get("EVERCERT_PEERS") == "required"  # read once: the tests remove such variables


def main() -> int:
    """Run the tests marked `peer`; their skips become failures in CI."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "peer", "-rs", "tests"]
    environment = {**os.environ, "EVERCERT_PEERS": "required" if os.environ.get("CI") == "true" else "optional"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

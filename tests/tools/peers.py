"""`make peers`: tests with third-party programs, and every contract test of an AWS adapter on moto.

Each test says which program it needs. A missing program skips its tests and is named at the end; with CI=true it fails,
unless `REFUSED` lists it: programs that their registry refuses, with the refusal.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.tools.local_stack import ROOT
from tests.tools.moto_server import ON_MOTO

REFUSED: dict[str, str] = {}
REQUIRED = os.environ.get("EVERCERT_PEERS") == "required"  # read once: the tests remove such variables


def main() -> int:
    """Run the tests marked `peer`, whose skips become failures in CI, and the contract suites on moto."""
    pytest = [sys.executable, "-m", "pytest", "-q"]
    environment = {**os.environ, "EVERCERT_PEERS": "required" if os.environ.get("CI") == "true" else "optional"}
    runs = ([*pytest, "-m", "peer", "-rs", "tests"], [*pytest, *ON_MOTO])
    return max(subprocess.run(run, cwd=ROOT, env=environment, check=False).returncode for run in runs)


if __name__ == "__main__":
    sys.exit(main())

"""Run all tests except those with third-party programs, in three parallel lanes: deployed stack, crashes, and the rest.

The contract tests of AWS adapters run twice: the third lane begins with them on a second emulator.

`python -m tests.tools.run_all` shows the last lane while it runs, and the reports of the others after it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from tests.tools.local_stack import ROOT
from tests.tools.moto_server import ON_MOTO

STACK, CRASH = ["tests/stack", "tests/storm"], ["tests/crash"]
REST = ["tests/unit", "tests/contract", "tests/functions", "tests/random", "tests/fuzz"]
MOTO = [*ON_MOTO, "--first-cases"]  # `make peers` runs every case
COMMAND = [sys.executable, "-m", "pytest", "-q", "-m", "not peer"]  # `make peers` runs those


def main() -> int:
    """Return 0 if all lanes pass; exit with a message if a folder of tests is in no lane."""
    folders = {"/".join(path.relative_to(ROOT).parts[:2]) for path in (ROOT / "tests").rglob("test_*.py")}
    if folders != {*STACK, *CRASH, *REST}:
        sys.exit(f"folders of tests in no lane, or missing: {', '.join(sorted(folders ^ {*STACK, *CRASH, *REST}))}")
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as crash, tempfile.TemporaryFile("w+") as stack:
        behind = [
            (lane, report, subprocess.Popen([*COMMAND, *lane], cwd=ROOT, stdout=report, stderr=subprocess.STDOUT))
            for lane, report in ((CRASH, crash), (STACK, stack))
        ]
        try:
            codes = [subprocess.run([*COMMAND, *lane], cwd=ROOT, check=False).returncode for lane in (MOTO, REST)]
            for lane, report, process in behind:
                print(f"\n== {', '.join(lane)} ...", flush=True)
                codes.append(process.wait())
                report.seek(0)
                print(report.read())
        except KeyboardInterrupt:
            for _, _, process in behind:
                process.wait()  # it received the signal too, and stops its stack
            return 130
    print(f"{'FAILED' if any(codes) else 'all passed'} in {time.monotonic() - began:.0f} s")
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())

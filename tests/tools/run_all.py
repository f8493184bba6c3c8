"""Every test, in lanes at once: what waits for the deployed stack, what dies at every call, and the rest.

`python -m tests.tools.run_all`; the last lane is seen as it runs, the others' reports come after it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from tests.tools.local_stack import ROOT

STACK, CRASH = ["tests/stack"], ["tests/crash"]
REST = ["tests/unit", "tests/contract", "tests/functions", "tests/random"]
COMMAND = [sys.executable, "-m", "pytest", "-q"]


def main() -> int:
    """Exit code 0 only if all lanes passed, and no folder of tests is in none."""
    folders = {"/".join(path.relative_to(ROOT).parts[:2]) for path in (ROOT / "tests").rglob("test_*.py")}
    if folders != {*STACK, *CRASH, *REST}:
        sys.exit(f"in no lane: {', '.join(sorted(folders ^ {*STACK, *CRASH, *REST}))}")
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as crash, tempfile.TemporaryFile("w+") as stack:
        behind = [
            (lane, report, subprocess.Popen([*COMMAND, *lane], cwd=ROOT, stdout=report, stderr=subprocess.STDOUT))
            for lane, report in ((CRASH, crash), (STACK, stack))
        ]
        try:
            codes = [subprocess.run([*COMMAND, *REST], cwd=ROOT, check=False).returncode]
            for lane, report, process in behind:
                print(f"\n== {', '.join(lane)} ...", flush=True)
                codes.append(process.wait())
                report.seek(0)
                print(report.read())
        except KeyboardInterrupt:
            for _, _, process in behind:
                process.wait()  # it was interrupted too, and takes its stack down
            return 130
    print(f"{'FAILED' if any(codes) else 'all passed'} in {time.monotonic() - began:.0f} s")
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())

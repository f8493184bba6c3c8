"""Every test, in two lanes at once: what waits for the deployed stack, and what computes.

`python -m tests.everything`; the second lane is seen as it runs, the first one's report comes after it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from tests.local_stack import ROOT

WAITING = ["tests/stack"]
COMPUTING = ["tests/unit", "tests/contract", "tests/functions", "tests/random", "tests/crash"]


def main() -> int:
    """Exit code 0 only if both lanes passed, and no folder of tests is in neither."""
    folders = {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/test_*.py")}
    if folders != {*WAITING, *COMPUTING}:
        sys.exit(f"in neither lane: {', '.join(sorted(folders ^ {*WAITING, *COMPUTING}))}")
    command, began = [sys.executable, "-m", "pytest", "-q"], time.monotonic()
    with tempfile.TemporaryFile("w+") as report:
        waiting = subprocess.Popen([*command, *WAITING], cwd=ROOT, stdout=report, stderr=subprocess.STDOUT)
        try:
            computing = subprocess.run([*command, *COMPUTING], cwd=ROOT, check=False).returncode
            print("\n== on the deployed stack ...", flush=True)
            codes = [computing, waiting.wait()]
        except KeyboardInterrupt:
            waiting.wait()  # it was interrupted too, and takes its stack down
            return 130
        report.seek(0)
        print(report.read())
    print(f"{'FAILED' if any(codes) else 'all passed'} in {time.monotonic() - began:.0f} s")
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())

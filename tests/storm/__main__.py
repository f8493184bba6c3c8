"""`python -m tests.storm --minutes 15 --seed N`: a long storm, for `make soak`."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.storm.storm import Size, storm


def main() -> int:
    """Run one storm and print its report; return 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--each", type=int, default=8, help="certificates of each of the three issuers")
    parser.add_argument("--lifetime", type=int, default=180, help="of the certificates, in seconds")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the emulator too
    print(f"kill storm of {chosen.minutes:g} minutes, seed {chosen.seed}", flush=True)
    size = Size(chosen.minutes * 60, chosen.each, chosen.lifetime, strike_every=2.0, step_every=6.0)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s: {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="evercert-storm-") as folder:
        report = storm(chosen.seed, size, Path(folder), say)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())

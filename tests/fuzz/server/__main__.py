"""Fuzz the ACME server in this process: `python -m tests.fuzz.server --count N [--seed S]`."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz.server.in_process import fuzz


def main() -> int:
    """Send the inputs; print the figures, or the first broken promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    options = parser.parse_args()
    print(f"fuzz: ACME server, seed {options.seed}", flush=True)
    began = time.monotonic()
    try:
        figures = fuzz(options.count, options.seed)
    except AssertionError as error:
        print(f"fuzz: FAILED {error}", flush=True)
        return 1
    print(f"fuzz: ACME server: {figures} in {time.monotonic() - began:.0f} s; no error of the server")
    for (resource, status), found in sorted(figures.outcomes.items()):
        print(f"  {resource} {status}xx: {found}")
    print("  " + ", ".join(f"{kind}: {found}" for kind, found in figures.problems.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

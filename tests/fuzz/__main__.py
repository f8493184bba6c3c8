"""Fuzz the readers: `python -m tests.fuzz --count N [--seed S] [NAME ...]` spreads N inputs over them."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz.reader import fuzz
from tests.fuzz.registry import READERS, shares


def main() -> int:
    """Fuzz the chosen readers, or all; print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    unknown = set(options.names) - {reader.name for reader in READERS}
    if unknown:
        parser.error(f"no readers {', '.join(sorted(unknown))}; the readers are {', '.join(r.name for r in READERS)}")
    print(f"fuzz: seed {options.seed}", flush=True)
    total, failed = 0, 0
    for reader, count in shares(options.count, [r for r in READERS if not options.names or r.name in options.names]):
        began = time.monotonic()
        try:
            fuzz(reader, count, options.seed)
        except AssertionError as error:
            print(f"fuzz: FAILED {error}", flush=True)
            failed += 1
            continue
        total += count
        print(f"fuzz: {reader.name}: {count} inputs in {time.monotonic() - began:.1f} s, no untyped error", flush=True)
    print(f"fuzz: {total} inputs, {failed} readers failed, seed {options.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make acceptance`: one run of evercert in your own AWS account, on a stack of its own that is removed at the end.

`python -m tests.tools.acceptance --remove NAME` removes what an interrupted run has left.
"""

from __future__ import annotations

import argparse
import sys

from tests.tools.acceptance.command import accept, remove
from tests.tools.local_stack import NotRunning
from tests.tools.openssl import CheckFailed


def main() -> int:
    parser = argparse.ArgumentParser(prog="make acceptance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--region", help="AWS region; default: that of your configuration")
    parser.add_argument("--remove", metavar="NAME", help="remove what an interrupted run has left, and exit")
    options = parser.parse_args()
    try:
        return remove(options.remove) if options.remove else accept(options.region, yes=options.yes)
    except (CheckFailed, NotRunning) as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""Refuse the few words and forms that the style of this project excludes.

Checks tracked text files of the named folders. It is a short list on purpose: everything else is for reviewers.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

from tests.tools.local_stack import ROOT

PLACES = ["layers", "functions", "template.yaml", "README.md", "docs", "tests", "events", "examples"]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["evercert"]["words"]
# Words inside identifiers count too: underscores separate words.
WORD = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(SETTINGS['refused'])})(?![A-Za-z])", re.IGNORECASE)
STARTS = re.compile(rf"""\s*["']{{3}}(?:{"|".join(SETTINGS["docstring-starts"])}) """)
ALLOWED = re.compile(rf"""\s*["']{{3}}(?:{"|".join(SETTINGS["docstring-starts-allowed"])})\b""")
TEST = re.compile(r"^\s*(?:async )?def (test_\w+)")
LONGEST_TEST_NAME = 60


def problems(name: str, text: str) -> Iterator[str]:
    """Yield one line for each violation in a file."""
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}"
        if found := WORD.search(line):
            yield f"{where}: the word {found[0]!r}: name the actor, or use another word"
        if name.endswith(".py") and STARTS.match(line) and not ALLOWED.match(line):
            yield f"{where}: a docstring starts with a verb or a noun"
        if name.startswith("tests/") and (test := TEST.match(line)):
            if test[1].startswith(("test_what_", "test_of_")):
                yield f"{where}: {test[1]}: name a test test_<unit>_<behavior>"
            if len(test[1]) > LONGEST_TEST_NAME:
                yield f"{where}: {test[1]}: {len(test[1])} characters, at most {LONGEST_TEST_NAME}"


def main() -> int:
    """Print every violation; exit code 1 if there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PLACES],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file():
            found += problems(name, path.read_text(errors="replace"))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Remove each safeguard, one at a time, and run the tests that must fail.

The mutants are data: a `mutants.toml` beside the unit tests of each package. A mutant that survives is a safeguard
that no test holds: exit code 1. Arguments choose packages, such as `pki/path issuance`. `--write` generates the tables
of docs/maintainers/promises.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.tools.local_stack import ROOT

PACKAGE = ROOT / "layers" / "evercert" / "evercert"
UNIT = ROOT / "tests" / "unit"
PAGE = ROOT / "docs" / "maintainers" / "promises.md"
BEGIN, END = "<!-- mutants: generated -->\n", "<!-- mutants: end -->\n"


@dataclass(frozen=True)
class Mutant:
    """One safeguard: the text that implements it, the text without it, and the tests that must fail.

    `file` is relative to the package; `consequence` says what goes wrong without the safeguard.
    """

    safeguard: str
    file: str
    tests: str
    original: str
    mutated: str
    consequence: str = ""


def read() -> dict[str, list[Mutant]]:
    """Return the mutants by package folder, in the order of the files."""
    found = {}
    for file in sorted(UNIT.rglob("mutants.toml")):
        package = file.parent.relative_to(UNIT).as_posix()
        entries = tomllib.loads(file.read_text())["mutant"]
        found[package] = [Mutant(**entry | {"file": str(PurePosixPath(package, entry["file"]))}) for entry in entries]
    return found


MUTANTS = [mutant for mutants in read().values() for mutant in mutants]


def tables() -> str:
    """Return the generated part of the page: one table for each package."""
    parts = []
    for package, mutants in read().items():
        rows = "".join(f"| {_cell(m.safeguard)} | `{m.file}` | {_cell(m.consequence)} |\n" for m in mutants)
        title = "the package root" if package == "." else f"`{package}`"
        parts.append(f"### {title}\n\n| safeguard | file | without it |\n| --- | --- | --- |\n{rows}\n")
    return "".join(parts)


def page(text: str) -> str:
    """Return the page with its generated part replaced."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{tables()}{END}{rest.partition(END)[2]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def is_noticed(mutant: Mutant) -> bool:
    """Whether the tests fail without the safeguard."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "evercert"
        shutil.copytree(PACKAGE, copy)  # with its bytecode: Python compiles only the changed file again
        file = copy / mutant.file
        file.write_text(file.read_text().replace(mutant.original, mutant.mutated))
        # A sample of the crash matrices could miss the point of the safeguard.
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--every", "1", mutant.tests]
        environment = {**os.environ, "PYTHONPATH": folder}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    ending = done.stdout.strip().rpartition("\n")[2]
    broken = "error" in ending and "failed" not in ending  # a fixture that fails to start proves nothing
    if done.returncode not in (0, 1) or broken:
        sys.exit(f"{mutant.safeguard}: the tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def main() -> int:
    """Print one line for each mutant."""
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(PAGE.read_text()))
        return 0
    if any(argument.startswith("-") for argument in sys.argv[1:]):
        sys.exit(__doc__)
    chosen = [mutant for mutant in MUTANTS if not sys.argv[1:] or mutant.file.startswith(tuple(sys.argv[1:]))]
    suites = sorted({mutant.tests for mutant in chosen})
    workers = str(os.cpu_count())
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-n", workers, *suites]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit("the tests fail without any mutant: fix them first")
    survivors = []
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for number, (mutant, noticed) in enumerate(zip(chosen, workers.map(is_noticed, chosen), strict=True), 1):
            verdict = "noticed " if noticed else "SURVIVED"
            print(f"{number:2d}/{len(chosen)}  {verdict}  {mutant.safeguard}", flush=True)
            survivors += [] if noticed else [mutant.safeguard]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

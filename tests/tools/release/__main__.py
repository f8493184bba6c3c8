"""Write the files of a release to .local/release: wheel, sdist, packaged stack, SBOM, checksums.

They are made from the last commit alone, so the same commit gives the same bytes on the same machine.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.tools import console_scripts
from tests.tools.local_stack import ROOT
from tests.tools.release import archives, packages, preconditions, sbom, stack
from tests.tools.release.commit import Commit

FOLDER = ROOT / ".local" / "release"


def build(commit: Commit, sources: Path, folder: Path) -> list[Path]:
    """Write the files of a release to the folder; return them, the checksums last."""
    commit.export(sources)
    console_scripts.build(sources)
    version = preconditions.version_of(sources)
    made = packages.build(sources, folder, commit.time)
    name = f"evercert-{version}-stack-{stack.TARGET}"
    made.append(stack.build(sources, folder / f"{name}.zip", commit.time))
    made.append(sbom.write(sources, folder / f"evercert-{version}.cdx.json", version, commit.time))
    return [*made, archives.write_checksums(made)]


def main() -> None:
    """Check the preconditions, build, and print the files."""
    if problem := preconditions.problem(ROOT):
        sys.exit(f"no release: {problem}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as sources:
        try:
            files = build(Commit(ROOT), Path(sources), FOLDER)
        except console_scripts.MissingScriptsError as error:
            sys.exit(f"no release: the console's scripts cannot be built: {error}")
    for file in files:
        print(f"{file.relative_to(ROOT)}  {file.stat().st_size:,} bytes")
    print("To check the files, run in their folder: sha256sum -c SHA256SUMS")


if __name__ == "__main__":
    main()

"""The last commit of a clone, from which a release is made."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Commit:
    """The commit HEAD of a clone."""

    clone: Path

    @property
    def time(self) -> int:
        """Return its time in seconds since 1970: the time of every file in a release."""
        return int(self._git("log", "-1", "--format=%ct"))

    def export(self, folder: Path) -> None:
        """Write its files to a folder."""
        with tarfile.open(fileobj=io.BytesIO(self._git("archive", "HEAD"))) as archive:
            archive.extractall(folder, filter="data")

    def changes(self) -> list[str]:
        """Return the files that differ from it, untracked ones included."""
        return [line[3:] for line in self._git("status", "--porcelain").decode().splitlines()]

    def _git(self, *arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], cwd=self.clone, capture_output=True, check=True).stdout

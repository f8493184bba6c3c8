"""Wheel and sdist. The wheel is built from the sdist, which therefore contains everything that it needs."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from tests.tools.release.programs import RELEASE, run


def build(sources: Path, folder: Path, time: int) -> list[Path]:
    """Write the wheel and the sdist to the folder; return both."""
    _hatchling(sources, "sdist", folder, time)
    (sdist,) = folder.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as unpacked, tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
        (content,) = Path(unpacked).iterdir()
        _hatchling(content, "wheel", folder, time)
    (wheel,) = folder.glob("*.whl")
    return [wheel, sdist]


def _hatchling(sources: Path, kind: str, folder: Path, time: int) -> None:
    command = [RELEASE / "python", "-m", "hatchling", "build", "-t", kind, "-d", folder]
    run(*command, folder=sources, SOURCE_DATE_EPOCH=str(time))

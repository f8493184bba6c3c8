"""Archives with the same bytes for the same content, and checksums."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

CHECKSUMS = "SHA256SUMS"


def write_zip(folder: Path, archive: Path, seconds: int) -> None:
    """Write the files of a folder below its name, sorted, with one time and one mode."""
    when = time.gmtime(seconds)[:6]
    with ZipFile(archive, "w", ZIP_DEFLATED, compresslevel=9) as out:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = ZipInfo((folder.name / file.relative_to(folder)).as_posix(), when)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix, so that unzip applies the mode
            entry.compress_type = ZIP_DEFLATED
            out.writestr(entry, file.read_bytes())


def write_checksums(files: Sequence[Path]) -> Path:
    """Write SHA256SUMS beside the files, in the form that `sha256sum -c` reads."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(files)]
    checksums = files[0].with_name(CHECKSUMS)
    checksums.write_text("".join(lines))
    return checksums

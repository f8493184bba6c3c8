"""Read what an agent document refers to on the host: environment variables and files."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from evercert.documents.document import Path, Problem

_PATH = re.compile(r"(?:[/~]|\.{1,2}/|[A-Za-z]:[\\/])\S*|\S+\.[a-z]{2,6}")
LONGEST_PATH = 200
LARGEST = 65_536  # bytes: a CSR has at most 16 KiB, a service account key 3 KiB
_NO_SUCH = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


@dataclass(frozen=True)
class Host:
    """A host; `file` returns the text of a file or None if it is missing, and may raise OSError or ValueError."""

    environment: Mapping[str, str]
    file: Callable[[str], str | None]


def looks_like_a_path(text: str) -> bool:
    """Return whether the text may be a path rather than an identity; a password may look like a path, too."""
    return len(text) <= LONGEST_PATH and _PATH.fullmatch(text) is not None


@dataclass
class Gathered:
    """The findings of one translation.

    `absent`: what only this host lacks, an error for `apply` and a note otherwise.
    `refused`: keys with a value of a wrong type; they are reported already, and not missing.
    """

    host: Host
    refused: frozenset[Path] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    absent: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def file(self, name: str, path: Path, what: str) -> str | None:
        """Return the text of the file; report it as absent if it does not exist."""
        shown = name if looks_like_a_path(name) else None
        found = self.look(name, path, what, shown)
        if found is None and not self._is_reported(path):
            which = "of this name" if shown is None else repr(shown)
            self.absent.append(Problem(path, f"{what}: no file {which} on this host"))
        return found

    def look(self, name: str, path: Path, what: str, shown: str | None = None) -> str | None:
        """Return the stripped text of the file, or None; report an unreadable file. Messages quote only `shown`."""
        try:
            found = self.host.file(name)
        except IsADirectoryError:
            return None
        except OSError as error:
            which = shown or "the file"
            self.absent.append(Problem(path, f"{what}: cannot read {which}: {error.strerror or 'no text'}"))
            return None
        except ValueError:
            self.absent.append(Problem(path, f"{what}: the file is not UTF-8 text"))
            return None
        if found is not None and not found.strip():
            self.absent.append(Problem(path, f"{what}: the file is empty"))
            return None
        return None if found is None else found.strip()

    def _is_reported(self, path: Path) -> bool:
        return any(problem.path == path for problem in self.absent)


def here() -> Host:
    """Return the host that the command runs on."""
    return Host(os.environ, _file)


def _file(name: str) -> str | None:
    """Read at most LARGEST bytes: the name may refer to a device."""
    if "\0" in name:
        return None
    try:
        with FilePath(name).open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        if error.errno in _NO_SUCH:
            return None
        raise
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"more than {LARGEST} bytes")
    return content.decode("utf-8-sig")

"""What an agent document takes from the host that it is read on: environment variables, and files it names."""

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
LARGEST = 65_536  # bytes: a CSR has 16 KiB at the most, a service account's key 3
_NO_SUCH = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


@dataclass(frozen=True)
class Host:
    """`file` answers the text of a file, or None when there is none of that name; it may raise OSError, ValueError."""

    environment: Mapping[str, str]
    file: Callable[[str], str | None]


def looks_like_a_path(text: str) -> bool:
    """Told apart from an identity that is written in place; a password may look so too."""
    return len(text) <= LONGEST_PATH and _PATH.fullmatch(text) is not None


@dataclass
class Gathered:
    """What came to light on the way. `absent` is what only this host lacks: a mistake to `apply`, a note otherwise.

    `refused`: keys that are written, but in a form that was refused and told; they are not missing.
    """

    host: Host
    refused: frozenset[Path] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    absent: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def file(self, name: str, path: Path, what: str) -> str | None:
        """The text of that file, which must be there."""
        shown = name if looks_like_a_path(name) else None
        found = self.look(name, path, what, shown)
        if found is None and not self._told(path):
            which = "of the name that is given" if shown is None else repr(shown)
            self.absent.append(Problem(path, f"{what}: there is no file {which} here"))
        return found

    def look(self, name: str, path: Path, what: str, shown: str | None = None) -> str | None:
        """The text of that file, without white space around it, if there is one. Only `shown` is ever quoted."""
        try:
            found = self.host.file(name)
        except IsADirectoryError:
            return None
        except OSError as error:
            which = shown or "the file that it names"
            self.absent.append(Problem(path, f"{what}: {which} cannot be read: {error.strerror or 'no text'}"))
            return None
        except ValueError:
            self.absent.append(Problem(path, f"{what}: the file that it names holds no text"))
            return None
        if found is not None and not found.strip():
            self.absent.append(Problem(path, f"{what}: the file that it names is empty"))
            return None
        return None if found is None else found.strip()

    def _told(self, path: Path) -> bool:
        return any(problem.path == path for problem in self.absent)


def here() -> Host:
    """The one that the command runs on."""
    return Host(os.environ, _file)


def _file(name: str) -> str | None:
    """Read no further than a file may be long: what is named could be a device."""
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
        raise OSError(errno.EFBIG, f"it has more than {LARGEST} bytes")
    return content.decode("utf-8-sig")

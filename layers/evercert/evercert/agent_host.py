"""What an agent document takes from the host that it is read on: environment variables, and files it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from evercert.document import Path, Problem

_PATH = re.compile(r"(?:[/~]|\.{1,2}/|[A-Za-z]:[\\/])\S*|\S+\.[a-z]{2,6}")
LONGEST_PATH = 200


@dataclass(frozen=True)
class Host:
    """`file` answers the text of a file, or None when there is none of that name; it may raise OSError, ValueError."""

    environment: Mapping[str, str]
    file: Callable[[str], str | None]


def looks_like_a_path(text: str) -> bool:
    """Told apart from a credential that is written in place: only what looks like a path is ever quoted."""
    return len(text) <= LONGEST_PATH and _PATH.fullmatch(text) is not None


@dataclass
class Gathered:
    """What came to light on the way. `absent` is what only this host lacks: a mistake to `apply`, a note otherwise."""

    host: Host
    problems: list[Problem] = field(default_factory=list)
    absent: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def file(self, name: str, path: Path, what: str) -> str | None:
        """The text of that file, which must be there."""
        found = self.look(name, path, what)
        if found is None and not self._told(path):
            self.absent.append(Problem(path, f"{what}: there is no file {name!r} here"))
        return found

    def look(self, name: str, path: Path, what: str) -> str | None:
        """The text of that file, without white space around it, if there is one."""
        try:
            found = self.host.file(name)
        except OSError as error:
            shown = name if looks_like_a_path(name) else "the file"
            self.absent.append(Problem(path, f"{what}: {shown} cannot be read: {error.strerror or 'no text'}"))
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

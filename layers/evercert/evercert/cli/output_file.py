"""A file that a command writes: readers see the old content or the new one, never a part."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from evercert.cli.files import BadInput
from evercert.errors import Misconfigured
from evercert.operations.escapes import visible

NEW_FILE = 0o666  # less the umask, as for every new file


class OutputFile:
    """A file that is replaced as a whole; its mode, and a link that leads to it, remain."""

    def __init__(self, name: str) -> None:
        """Check what can be checked before the work begins; raise BadInput if the file cannot be written."""
        self._name = name
        try:
            self._path = Path(os.path.realpath(name))
            self._mode: int | None = self._path.stat().st_mode
        except FileNotFoundError:
            self._mode = None
        except (OSError, ValueError) as error:
            raise self._refused(getattr(error, "strerror", None) or "invalid name") from error
        if self._mode is not None and stat.S_ISDIR(self._mode):
            raise self._refused("it is a directory; name a file in it")
        if self._mode is None and not self._path.parent.is_dir():
            raise self._refused("its directory does not exist; create it")

    def write(self, pieces: Iterable[str]) -> None:
        """Write the pieces; a file that exists is replaced after the last one. Raises Misconfigured."""
        try:
            special = self._mode is not None and not stat.S_ISREG(self._mode)
            if special:  # a pipe or a device: there is nothing to replace
                with self._path.open("w", encoding="ascii") as device:
                    device.writelines(pieces)
                return
            self._replace(pieces)
        except OSError as error:
            raise Misconfigured(self._problem(error.strerror or type(error).__name__)) from error

    def _replace(self, pieces: Iterable[str]) -> None:
        handle, name = tempfile.mkstemp(prefix=".evercert-", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(NEW_FILE & ~_umask() if self._mode is None else stat.S_IMODE(self._mode))
            Path(name).replace(self._path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    def _refused(self, why: str) -> BadInput:
        return BadInput([self._problem(why)])

    def _problem(self, why: str) -> str:
        return f"cannot write {visible(self._name, 200)}: {why}"


def _umask() -> int:
    """Return the umask of the process, which can only be read by setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask

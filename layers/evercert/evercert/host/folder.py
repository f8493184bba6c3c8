"""Folders that are open while they are written, so that no other user can replace them by a link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evercert.errors import Misconfigured

MOST_ENTRIES = 1_000
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Folder:
    """An open folder. All changes are durable when a method returns, except those of `write`, until `sync`."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    @classmethod
    @contextmanager
    def opened(cls, path: Path, mode: int = 0o755, *, create: bool = True) -> Iterator[Folder]:
        """Open a folder, and create it with its parents if it is missing; FileNotFoundError without `create`.

        A link on the way is followed only in a folder that no other user can write to.
        """
        descriptor = os.open(path.anchor, _FLAGS)
        try:
            for name in path.parts[1:]:
                inner = _open_inside(descriptor, name, mode if create else None, path)
                os.close(descriptor)
                descriptor = inner
            yield cls(descriptor, path)
        finally:
            os.close(descriptor)

    @contextmanager
    def child(self, name: str, mode: int = 0o755) -> Iterator[Folder]:
        """Open a folder of this user inside, and create it if it is missing; raise Misconfigured if it is a link."""
        path = self.path / name
        with suppress(FileExistsError):
            _make(self._descriptor, name, mode)
            self.sync()
        try:
            descriptor = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Misconfigured(
                    f"{path} is not a directory: remove it, because the agent keeps files there"
                ) from None
            raise
        try:
            if os.fstat(descriptor).st_uid != os.geteuid():
                raise Misconfigured(f"{path} belongs to another user: remove it, or run the agent as its owner")
            yield Folder(descriptor, path)
        finally:
            os.close(descriptor)

    def write(self, name: str, content: bytes, mode: int = 0o600, owner: int = -1, group: int = -1) -> None:
        """Create a file, private until it has its mode and owner (-1: this process's own)."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._descriptor)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if (owner, group) != (-1, -1):
                os.fchown(descriptor, owner, group)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)

    def replace(self, name: str, content: bytes, mode: int = 0o600) -> None:
        """Write a file in one step: a reader sees the old content or the new one."""
        new = f".{name}.new"
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=self._descriptor)
        self.write(new, content, mode)
        self.rename(new, name)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if it is missing."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def link(self, name: str, target: str) -> None:
        """Let a symbolic link point to the target in one step, whatever has this name now."""
        new = f".{name}.new"
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=self._descriptor)
        os.symlink(target, new, dir_fd=self._descriptor)
        self.rename(new, name)

    def target(self, name: str) -> str | None:
        """Return the target of a symbolic link, or None if there is no such link."""
        try:
            return os.readlink(name, dir_fd=self._descriptor)
        except OSError:
            return None

    def rename(self, old: str, new: str) -> None:
        """Rename an entry, replacing a file or link of the new name."""
        os.rename(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        self.sync()

    def look(self, name: str) -> os.stat_result | None:
        """Return what has this name, a link itself, or None."""
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read_regular(self, name: str, largest: int) -> tuple[bytes, os.stat_result]:
        """Read a regular file that has one name, with its owner and mode; raise Misconfigured for anything else."""
        path = self.path / name
        try:
            descriptor = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._descriptor
            )
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise Misconfigured(f"{path} became a link while it was read: the agent tries again") from None
            raise
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise Misconfigured(f"{path} is not a file, or has several names: move it away, or change the path")
            if found.st_size > largest:
                raise Misconfigured(f"{path} has more than {largest} bytes: it is not a certificate; remove it")
            return file.read(largest), found

    @property
    def is_trusted(self) -> bool:
        """Return whether only root and this user can write to the folder."""
        return _is_trusted(self._descriptor)

    def holds(self, name: str) -> bool:
        """Return whether an entry of this name exists."""
        return self.look(name) is not None

    def names(self) -> list[str]:
        """Return the names of the entries, at most MOST_ENTRIES."""
        return sorted(os.listdir(self._descriptor))[:MOST_ENTRIES]  # noqa: PTH208 (of the open folder)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with its files; do nothing if it is missing."""
        try:
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=self._descriptor)
                return
            descriptor = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=self._descriptor)
            try:
                for each in os.listdir(descriptor):  # noqa: PTH208 (of the open folder)
                    os.unlink(each, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            os.rmdir(name, dir_fd=self._descriptor)
        except FileNotFoundError:
            return

    def sync(self) -> None:
        """Make the entries of this folder durable."""
        os.fsync(self._descriptor)


def _open_inside(descriptor: int, name: str, mode: int | None, path: Path) -> int:
    """Open a folder in an open one, and create it with `mode`; follow a link only where no other user can put one."""
    flags = _FLAGS if _is_trusted(descriptor) else _FLAGS | os.O_NOFOLLOW
    try:
        try:
            return os.open(name, flags, dir_fd=descriptor)
        except FileNotFoundError:
            if mode is None:
                raise
            _make(descriptor, name, mode)
            return os.open(name, flags, dir_fd=descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            problem = f"{name!r} on the way to {path} is not a directory, or a link that another user may have made"
            raise Misconfigured(f"{problem}: write the path without links") from None
        raise


def _make(descriptor: int, name: str, mode: int) -> None:
    """Create a folder with this mode, whatever the umask is; raise FileExistsError if there is something."""
    os.mkdir(name, mode=0o700, dir_fd=descriptor)
    os.chmod(name, mode, dir_fd=descriptor)


def _is_trusted(descriptor: int) -> bool:
    found = os.fstat(descriptor)
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022

"""The files of one certificate as one set: all paths change in one step, from one complete set to the next.

Beside the certificate's file is a folder `.evercert/<name>` with one folder for each set, and a symbolic link `current`
to one of them. Each configured path is a symbolic link through `current`, so one rename changes all of them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evercert.errors import Misconfigured
from evercert.host.folder import Folder
from evercert.host.outputs import DEFAULT_MODE, WITH_KEY, WITH_PASSPHRASE, Output
from evercert.pki.certificate import Bundle

ROOT, CURRENT, ADOPTED = ".evercert", "current", "adopted"
LARGEST = 1 << 20  # bytes of an existing file that a set takes over
MOST_NAMES = 50  # of sets of one revision, after changes by hand


@dataclass(frozen=True)
class _File:
    """One file of a set that is about to be written."""

    name: str
    content: bytes
    mode: int
    owner: int
    group: int


class MissingSet(Misconfigured):
    """A staged set was removed before its paths showed it."""


class FileSet:
    """The files of one certificate. Every method is idempotent; raises Misconfigured, or OSError with a path."""

    def __init__(self, name: str, outputs: Sequence[Output]) -> None:
        self._outputs = outputs
        self._folder = name.replace("*", "_wildcard")
        first = next((one for one in outputs if one.kind == "certificate"), outputs[0])
        self._home = first.path.parent

    @property
    def settings(self) -> str:
        """Return a digest of paths, formats, modes and owners: other settings lead to another set."""
        return hashlib.sha256(repr(self._outputs).encode()).hexdigest()[:12]

    def stage(self, bundle: Bundle, revision: int) -> str:
        """Write a set that no path shows yet; return its name, which depends on content, modes and owners."""
        files = [self._file(output, bundle) for output in self._outputs]
        digest = hashlib.sha256(f"{bundle.chain.pem}{self.settings}".encode())  # some contents are salted
        for file in files:
            digest.update(f"{file.name} {file.mode} {file.owner} {file.group}\n".encode())
        name = f"{revision}-{digest.hexdigest()[:12]}"
        salted = {output.file for output in self._outputs if output.kind in WITH_PASSPHRASE}
        with self._opened() as folder:
            return _write(folder, name, files, salted)

    def switch(self, name: str) -> str | None:
        """Show a staged set at all paths; return the name of the set that was made of files of another program."""
        adopted = None
        with self._opened() as folder:
            if not folder.holds(name):
                raise MissingSet(f"{folder.path / name} was removed: the agent writes it again")
            foreign = [output for output in self._outputs if self._is_foreign(output, folder)]
            if foreign:
                adopted = self._adopt(folder, foreign)
            folder.link(CURRENT, name)
            for output in self._outputs:  # chain and certificate before the key that a server looks for
                self._show(output, folder)
        return adopted

    def holds(self, name: str) -> bool:
        """Return whether there is a set of this name."""
        with self._opened() as folder:
            return folder.holds(name)

    def marks(self, name: str) -> dict[str, str]:
        """Return size, time and inode of each file of a set: a file that was written to has others."""
        with self._opened() as folder:
            if not folder.holds(name):
                return {}
            with folder.child(name) as files:
                seen = {each: files.look(each) for each in files.names()}
        return {each: f"{one.st_size}-{one.st_mtime_ns}-{one.st_ino}" for each, one in seen.items() if one is not None}

    def certificate_of(self, name: str) -> bytes | None:
        """Return the certificate's file of a set, or None."""
        with self._opened() as folder, folder.child(name) as files:
            return next((files.read(one.file) for one in self._outputs if files.holds(one.file)), None)

    def shows(self, name: str) -> bool:
        """Return whether all paths show this set."""
        with self._opened() as folder:
            return folder.target(CURRENT) == name and all(
                _target(output.path) == self._target(output, folder) and output.path.exists()
                for output in self._outputs
            )

    def has_existing_files(self) -> bool:
        """Return whether one of the paths has a file, of this agent or of another program."""
        return any(output.path.is_file() for output in self._outputs)

    def keep(self, names: Sequence[str | None]) -> None:
        """Remove all sets but these and the current one."""
        with self._opened() as folder:
            kept = {CURRENT, folder.target(CURRENT), *names}
            for each in folder.names():
                if each not in kept:
                    folder.remove(each)

    def _file(self, output: Output, bundle: Bundle) -> _File:
        """Return the new file; mode and owner that are not set are those of an existing file of this path."""
        owner, group = output.owner_ids()
        mode = DEFAULT_MODE if output.mode is None else output.mode
        existing = self._existing(output)
        if existing is not None:
            if output.mode is None:
                mode = stat.S_IMODE(existing.st_mode) & (0o770 if output.kind in WITH_KEY else 0o777)
            owner = existing.st_uid if owner == -1 and existing.st_uid != os.geteuid() else owner
            group = existing.st_gid if group == -1 and existing.st_gid != os.getegid() else group
        return _File(output.file, output.content(bundle), mode, owner, group)

    def _existing(self, output: Output) -> os.stat_result | None:
        """Return the file of a path: a regular file, or that of the present set; never that of a foreign link."""
        with self._opened() as folder:
            if _target(output.path) == self._target(output, folder):
                shown = folder.target(CURRENT)
                if shown is None or not folder.holds(shown):
                    return None
                with folder.child(shown) as files:
                    return files.look(output.file)
        try:
            with Folder.opened(output.path.parent, create=False) as parent:
                found = parent.look(output.path.name)
        except FileNotFoundError:
            return None
        return found if found is not None and stat.S_ISREG(found.st_mode) else None

    def _is_foreign(self, output: Output, folder: Folder) -> bool:
        """Return whether the path has a file that is not a link of this agent; refuse what cannot be replaced."""
        path = output.path
        if _target(path) == self._target(output, folder):
            return False
        if path.exists() and not path.is_file():
            raise Misconfigured(f"{path} is not a file: change file-output.{output.kind}.path")
        return path.exists()

    def _adopt(self, folder: Folder, foreign: Sequence[Output]) -> str:
        """Turn existing files into a set, so that no path changes its content before all of them do."""
        files = [file for output in self._outputs if (file := self._found(output, folder)) is not None]
        digest = hashlib.sha256(b"\n".join(file.content for file in files)).hexdigest()[:12]
        name = _write(folder, f"{ADOPTED}-{digest}", files, frozenset())
        folder.link(CURRENT, name)
        for output in foreign:
            self._show(output, folder)
        return name

    def _found(self, output: Output, folder: Folder) -> _File | None:
        """Read the file that a path has now; a link of another program only if no other user can have made it."""
        path = output.path
        if _target(path) == self._target(output, folder):
            shown = folder.target(CURRENT)
            if shown is None or not folder.holds(shown):
                return None
            with folder.child(shown) as files:
                return (
                    None if not files.holds(output.file) else _copied(output, files.read_regular(output.file, LARGEST))
                )
        with Folder.opened(path.parent) as parent:
            found = parent.look(path.name)
            if found is None:
                return None
            if not stat.S_ISLNK(found.st_mode):
                return _copied(output, parent.read_regular(path.name, LARGEST))
            if not parent.is_trusted:
                raise Misconfigured(f"{path} is a link in a directory of another user: replace it by the file")
        real = path.resolve()
        if not real.exists():
            return None
        with Folder.opened(real.parent) as parent:
            return _copied(output, parent.read_regular(real.name, LARGEST))

    def _show(self, output: Output, folder: Folder) -> None:
        """Let the path be a link through `current`, in one step."""
        target = self._target(output, folder)
        if _target(output.path) == target:
            return
        with Folder.opened(output.path.parent) as parent:
            parent.link(output.path.name, target)

    def _target(self, output: Output, folder: Folder) -> str:
        """Return the target of a path's link: relative, so that mounts of the folder elsewhere keep working."""
        shown = folder.path.resolve() / CURRENT / output.file
        return os.path.relpath(shown, output.path.parent.resolve())

    @contextmanager
    def _opened(self) -> Iterator[Folder]:
        with Folder.opened(self._home) as home, home.child(ROOT) as root, root.child(self._folder) as folder:
            yield folder


def _target(path: Path) -> str | None:
    """Return the target of a symbolic link, or None for anything else."""
    return str(path.readlink()) if path.is_symlink() else None


def _copied(output: Output, found: tuple[bytes, os.stat_result]) -> _File:
    """Return a file with content, mode and owner of an existing one."""
    content, status = found
    owner = status.st_uid if status.st_uid != os.geteuid() else -1
    group = status.st_gid if status.st_gid != os.getegid() else -1
    return _File(output.file, content, stat.S_IMODE(status.st_mode) & 0o777, owner, group)


def _write(folder: Folder, name: str, files: Sequence[_File], salted: Collection[str]) -> str:
    """Write a complete set under this name; keep one that is the same, and write beside one that was changed."""
    for number in range(MOST_NAMES):
        chosen = name if number == 0 else f"{name}.{number}"
        if not folder.holds(chosen):
            break
        if _is_same(folder, chosen, files, salted):
            return chosen
    new = f".{chosen}.new"
    folder.remove(new)
    with folder.child(new) as made:
        for file in files:
            made.write(file.name, file.content, file.mode, file.owner, file.group)
        made.sync()
    folder.rename(new, chosen)
    return chosen


def _is_same(folder: Folder, name: str, files: Sequence[_File], salted: Collection[str]) -> bool:
    with folder.child(name) as held:
        return held.names() == sorted(file.name for file in files) and all(
            file.name in salted or held.read(file.name) == file.content for file in files
        )

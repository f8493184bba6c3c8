"""The files of one certificate as one set: all paths change in one step, from one complete set to the next.

Beside the certificate's file is a folder `.evercert/<name>` with one folder for each set, and a symbolic link `current`
to one of them. Each configured path is a symbolic link through `current`, so one rename changes all of them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evercert.errors import Misconfigured
from evercert.host.folder import Folder
from evercert.host.outputs import DEFAULT_MODE, Output
from evercert.pki.certificate import Bundle

ROOT, CURRENT, ADOPTED = ".evercert", "current", "adopted"
LARGEST = 1 << 20  # bytes of an existing file that a set takes over


@dataclass(frozen=True)
class _File:
    """One file of a set that is about to be written."""

    name: str
    content: bytes
    mode: int
    owner: int
    group: int


class FileSet:
    """The files of one certificate. Every method is idempotent; raises Misconfigured, or OSError with a path."""

    def __init__(self, name: str, outputs: Sequence[Output]) -> None:
        self._outputs = outputs
        self._folder = name.replace("*", "_wildcard")
        first = next((one for one in outputs if one.kind == "certificate"), outputs[0])
        self._home = first.path.parent

    def stage(self, bundle: Bundle, revision: int) -> str:
        """Write a set that no path shows yet; return its name, which depends on content, modes and owners."""
        files = [self._file(output, bundle) for output in self._outputs]
        digest = hashlib.sha256(bundle.chain.pem.encode())  # not the contents: some formats are salted
        for output, file in zip(self._outputs, files, strict=True):
            digest.update(f"{file.name} {file.mode} {file.owner} {file.group} {output.omit_root}\n".encode())
        name = f"{revision}-{digest.hexdigest()[:12]}"
        with self._opened() as folder:
            _write(folder, name, files)
        return name

    def switch(self, name: str) -> None:
        """Show a staged set at all paths."""
        with self._opened() as folder:
            if not folder.holds(name):
                raise Misconfigured(f"{folder.path / name} was removed: the agent writes it again")
            foreign = [output for output in self._outputs if self._is_foreign(output, folder)]
            if foreign:
                self._adopt(folder, foreign)
            folder.link(CURRENT, name)
            for output in self._outputs:  # chain and certificate before the key that a server looks for
                self._show(output, folder)

    def shows(self, name: str) -> bool:
        """Return whether all paths show this set, and its files are there."""
        if not (self._home / ROOT / self._folder / name).is_dir():
            return False
        with self._opened() as folder:
            return folder.target(CURRENT) == name and all(
                _target(output.path) == self._target(output, folder) and output.path.exists()
                for output in self._outputs
            )

    def has_existing_files(self) -> bool:
        """Return whether one of the paths has a file, of this agent or of another program."""
        return any(output.path.exists() for output in self._outputs)

    def keep(self, names: Sequence[str | None]) -> None:
        """Remove all sets but these and the current one."""
        with self._opened() as folder:
            kept = {CURRENT, folder.target(CURRENT), *names}
            for each in folder.names():
                if each not in kept:
                    folder.remove(each)

    def _file(self, output: Output, bundle: Bundle) -> _File:
        owner, group = output.owner_ids()
        mode = output.mode
        try:
            existing = output.path.stat()
        except OSError:
            existing = None
        if existing is not None and stat.S_ISREG(existing.st_mode):
            mode = stat.S_IMODE(existing.st_mode) if mode is None else mode
            owner = existing.st_uid if owner == -1 and existing.st_uid != os.geteuid() else owner
            group = existing.st_gid if group == -1 and existing.st_gid != os.getegid() else group
        return _File(output.file, output.content(bundle), DEFAULT_MODE if mode is None else mode, owner, group)

    def _is_foreign(self, output: Output, folder: Folder) -> bool:
        """Return whether the path has a file that is not a link of this agent; refuse what cannot be replaced."""
        path = output.path
        if _target(path) == self._target(output, folder):
            return False
        if path.exists() and not path.is_file():
            raise Misconfigured(f"{path} is not a file: change file-output.{output.kind}.path")
        if path.exists() and path.stat().st_size > LARGEST:
            raise Misconfigured(f"{path} has more than {LARGEST} bytes: it is not a certificate; remove it")
        return path.exists()

    def _adopt(self, folder: Folder, foreign: Sequence[Output]) -> None:
        """Turn existing files into a set, so that no path changes its content before all of them do."""
        files = []
        for output in self._outputs:
            if output.path.is_file():
                found = output.path.stat()
                mode = stat.S_IMODE(found.st_mode)
                owner = found.st_uid if found.st_uid != os.geteuid() else -1
                group = found.st_gid if found.st_gid != os.getegid() else -1
                files.append(_File(output.file, output.path.read_bytes(), mode, owner, group))
        digest = hashlib.sha256(b"\n".join(file.content for file in files)).hexdigest()[:12]
        name = f"{ADOPTED}-{digest}"
        _write(folder, name, files)
        folder.link(CURRENT, name)
        for output in foreign:
            self._show(output, folder)

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


def _write(folder: Folder, name: str, files: Sequence[_File]) -> None:
    """Write a complete set under this name; do nothing if it exists."""
    if folder.holds(name):
        return
    new = f".{name}.new"
    folder.remove(new)
    with folder.child(new) as made:
        for file in files:
            made.write(file.name, file.content, file.mode, file.owner, file.group)
        made.sync()
    folder.rename(new, name)

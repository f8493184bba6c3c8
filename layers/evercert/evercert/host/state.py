"""State of each certificate on this host, in one file each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evercert.errors import Misconfigured
from evercert.host.folder import Folder
from evercert.schema import Instant

HookName = Literal["on-issuance", "on-renewal"]
LOCK = "lock"


class Part(BaseModel):
    """A frozen part of a state; unknown attributes of a newer agent are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Installed(Part):
    """A certificate whose files the agent wrote, or found (`revision` 0).

    `set` names the set of files, `secret_version` where they came from; `marks` and `settings` tell whether a file or
    the host's file has changed since.
    """

    set: str
    uid: str
    revision: int
    fingerprint: str
    serial_number: str
    common_name: str | None = None
    not_after: Instant
    secret_version: str
    at: Instant
    settings: str = ""
    marks: dict[str, str] = {}


class HookRun(Part):
    """A hook that is due for the installed set. `started` without an end: the agent died while it ran."""

    name: HookName
    attempts: Annotated[int, Field(ge=0)] = 0
    started: bool = False
    retry_at: Instant | None = None


class Incident(Part):
    """A failure of the stack or of this host, for which `on-failure` runs once, at `report_at` or later."""

    key: str
    message: str
    report_at: Instant
    report: Literal["due", "started", "done"] = "due"


class State(Part):
    """The state of one certificate.

    `installing`: a staged set that the paths may not show yet; `then`: the hook that is due afterwards. `refused`: the
    fingerprint that was rolled back, not installed before `refused_until`. `incidents`: by the part that fails.
    """

    installed: Installed | None = None
    previous: Installed | None = None
    installing: Installed | None = None
    then: HookName | None = None
    hook: HookRun | None = None
    refused: str | None = None
    refused_until: Instant | None = None
    rollbacks: Annotated[int, Field(ge=0)] = 0
    incidents: dict[str, Incident] = {}


class States:
    """The states of all certificates, in one folder that one agent uses at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, name: str) -> State:
        """Return the state of a certificate; an unreadable one counts as empty, because the files tell the rest."""
        with Folder.opened(self._folder, 0o700) as folder:
            found = folder.read(_file(name))
        if found is None:
            return State()
        try:
            return State.model_validate_json(found)
        except ValidationError:
            return State()

    def save(self, name: str, state: State) -> None:
        """Store the state durably, in one step."""
        with Folder.opened(self._folder, 0o700) as folder:
            folder.replace(_file(name), state.model_dump_json(exclude_none=True).encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; raise Misconfigured if another agent uses it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(
                    f"another agent uses {self._folder}: stop it, or set another --state-directory"
                ) from None
            yield
        finally:
            os.close(descriptor)


def _file(name: str) -> str:
    return f"{name.replace('*', '_wildcard')}.json"

"""The files that a host keeps of one certificate, and their content."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evercert.errors import Misconfigured
from evercert.host.bundle import HostBundle

Kind = Literal["certificate", "private-key", "chain", "fullchain", "combined"]
DEFAULT_MODE = 0o600


@dataclass(frozen=True)
class Output:
    """One file: `mode`, `owner` and `group` of None keep those of an existing file; else 0600 and the agent's own."""

    kind: Kind
    path: Path
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    omit_root: bool = True

    @property
    def file(self) -> str:
        """Return the name of the file in a set."""
        return f"{self.kind}.pem"

    @property
    def holds_key(self) -> bool:
        """Return whether the file contains the private key."""
        return self.kind in {"private-key", "combined"}

    def content(self, bundle: HostBundle) -> bytes:
        """Return the content of the file; raise Misconfigured if the certificate has no private key."""
        if self.holds_key and bundle.private_key_pem is None:
            raise Misconfigured(
                f"{self.path} cannot be written: the certificate was issued for a CSR, whose private key only its "
                f"owner has; remove file-output.{self.kind}"
            )
        return _CONTENTS[self.kind](bundle, self.omit_root).encode()

    def owner_ids(self) -> tuple[int, int]:
        """Return the numbers of owner and group, -1 if not set; raise Misconfigured for unknown names."""
        try:
            owner = -1 if self.owner is None else _number(self.owner, lambda name: pwd.getpwnam(name).pw_uid)
            group = -1 if self.group is None else _number(self.group, lambda name: grp.getgrnam(name).gr_gid)
        except KeyError as error:
            raise Misconfigured(
                f"{self.path} cannot be written: no user or group {error.args[0]!r} on this host; create it, or change "
                f"file-output.{self.kind}"
            ) from None
        return owner, group


def _number(name: str, look_up: Callable[[str], int]) -> int:
    try:
        return int(name) if name.isdecimal() else look_up(name)
    except KeyError:
        raise KeyError(name) from None


_CONTENTS: Mapping[Kind, Callable[[HostBundle, bool], str]] = {
    "certificate": lambda bundle, _: bundle.leaf_pem,
    "private-key": lambda bundle, _: bundle.private_key_pem or "",
    "chain": lambda bundle, omit_root: bundle.issuers_pem(omit_root=omit_root),
    "fullchain": lambda bundle, omit_root: bundle.leaf_pem + bundle.issuers_pem(omit_root=omit_root),
    "combined": lambda bundle, omit_root: (
        bundle.leaf_pem + bundle.issuers_pem(omit_root=omit_root) + (bundle.private_key_pem or "")
    ),
}

"""The files that a host keeps of one certificate, and their content."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evercert.errors import EvercertError, Misconfigured
from evercert.host import java_keystore
from evercert.pki import formats
from evercert.pki.certificate import Bundle, to_pem

Kind = Literal[
    "certificate",
    "private-key",
    "chain",
    "fullchain",
    "combined",
    "certificate-der",
    "private-key-der",
    "pkcs12",
    "jks",
]
DEFAULT_MODE = 0o600
LONGEST_PASSPHRASE = 4_096  # bytes of the file
WITH_KEY: frozenset[Kind] = frozenset({"private-key", "combined", "private-key-der", "pkcs12", "jks"})
WITH_PASSPHRASE: frozenset[Kind] = frozenset({"pkcs12", "jks"})
SUFFIXES: Mapping[Kind, str] = {"certificate-der": "der", "private-key-der": "der", "pkcs12": "p12", "jks": "jks"}


@dataclass(frozen=True)
class Output:
    """One file: `mode`, `owner` and `group` of None keep those of an existing file; else 0600 and the agent's own.

    `passphrase_file` encrypts the formats of WITH_PASSPHRASE; `alias` is the name of the key in them.
    """

    kind: Kind
    path: Path
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    omit_root: bool = True
    passphrase_file: Path | None = None
    alias: str = "certificate"

    @property
    def file(self) -> str:
        """Return the name of the file in a set."""
        return f"{self.kind}.{SUFFIXES.get(self.kind, 'pem')}"

    def content(self, bundle: Bundle) -> bytes:
        """Return the content of the file; raise Misconfigured if it cannot be made."""
        if self.kind in WITH_KEY and bundle.private_key is None:
            raise Misconfigured(
                f"{self.path} cannot be written: the certificate was issued for a CSR, whose private key only its "
                f"owner has; remove file-output.{self.kind}"
            )
        try:
            return _CONTENTS[self.kind](bundle, self)
        except (ValueError, EvercertError) as error:
            raise Misconfigured(f"{self.path} cannot be written: {error}") from None

    def passphrase(self) -> str:
        """Return the passphrase, the first line of its file; raise Misconfigured without quoting it."""
        path = self.passphrase_file
        if path is None:
            raise Misconfigured(f"file-output.{self.kind}.passphrase-file is missing")
        try:
            with path.open("rb") as file:
                return file.read(LONGEST_PASSPHRASE).decode().partition("\n")[0].rstrip("\r")
        except OSError as error:
            raise Misconfigured(f"cannot read passphrase-file {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Misconfigured(f"passphrase-file {path} is not text: write the passphrase in ASCII") from None

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


def _issuers(bundle: Bundle, output: Output) -> str:
    return to_pem(formats.issuers(bundle, omit_root=output.omit_root))


def _pkcs12(bundle: Bundle, output: Output) -> bytes:
    return formats.pkcs12(bundle, output.passphrase(), output.alias, omit_root=output.omit_root)


_CONTENTS: Mapping[Kind, Callable[[Bundle, Output], bytes]] = {
    "certificate": lambda bundle, _: bundle.chain.leaf_pem.encode(),
    "private-key": lambda bundle, _: b"" if bundle.private_key is None else bundle.private_key.pem().encode(),
    "chain": lambda bundle, output: _issuers(bundle, output).encode(),
    "fullchain": lambda bundle, output: (bundle.chain.leaf_pem + _issuers(bundle, output)).encode(),
    "combined": lambda bundle, output: formats.combined_pem(bundle, omit_root=output.omit_root).encode(),
    "certificate-der": lambda bundle, _: formats.certificate_der(bundle),
    "private-key-der": lambda bundle, _: formats.key_der(bundle),
    "pkcs12": _pkcs12,
    "jks": lambda bundle, output: java_keystore.convert(_pkcs12(bundle, output), output.passphrase()),
}

"""Run every operation that a client has, and check each result against what the authority knows and publishes."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509

from tests.tools.acme_clients.client import Challenge, Client, ClientFailed

OPERATIONS = (
    "register",
    "http-01",
    "dns-01",
    "several names",
    "wildcard",
    "renew",
    "revoke",
    "key change",
    "deactivate",
)
YES = "yes"


class Observer(Protocol):
    """Reads what the authority knows: accounts and orders as they are stored, refusals, and its published CRLs."""

    def accounts(self) -> dict[str, dict[str, Any]]: ...
    def orders(self, account: str) -> list[dict[str, Any]]: ...
    def is_revoked(self, chain: Path) -> bool: ...
    def verify(self, chain: Path) -> None: ...
    def refusals(self) -> int: ...


class Run:
    """One client, from registration to deactivation; `seen` has what happened to each operation."""

    def __init__(self, client: Client, observer: Observer) -> None:
        self.client = client
        self.observer = observer
        self.mark = client.mark
        self.seen: dict[str, str] = dict(client.without)
        self.example = ""
        self._known = set(observer.accounts())
        self._account = ""

    def all(self) -> dict[str, str]:
        """Run the operations, in an order in which each finds what it needs."""
        names = [f"{self.mark}.example.com", f"{self.mark}-2.example.com"]
        if "several names" in self.client.without:
            del names[1:]
        file, leaf = self._first(names)
        self._unless_missing("dns-01", self._dns)
        self._unless_missing("renew", lambda: self._renew(names, leaf))
        self._unless_missing("revoke", lambda: self._revoke(file))
        self._unless_missing("key change", self._change_key)
        self._unless_missing("deactivate", self._deactivate)
        return {name: self.seen[name] for name in OPERATIONS}

    def _unless_missing(self, operation: str, run: Callable[[], None]) -> None:
        if operation not in self.client.without:
            run()
            self.seen[operation] = YES

    def _first(self, names: list[str]) -> tuple[Path, x509.Certificate]:
        """Register, and issue by http-01."""
        with self.client.answering():
            file = self.client.issue(*names)
        self.example = self.client.example()
        (self._account,) = set(self.observer.accounts()) - self._known
        bound = self._stored()["binding"] is not None
        assert bound == self.client.eab, self._stored()
        self.seen["register"] = "with EAB" if bound else "without EAB"
        leaf = self._issued(file, names, "http-01")
        self.seen["http-01"] = YES
        if len(names) > 1:
            self.seen["several names"] = YES
        return file, leaf

    def _dns(self) -> None:
        names = [f"{self.mark}-dns.example.com"]
        if "wildcard" not in self.client.without:
            names.append(f"*.{names[0]}")
        self._issued(self.client.issue(*names, challenge="dns-01"), names, "dns-01")
        if "wildcard" not in self.client.without:
            self.seen["wildcard"] = YES

    def _renew(self, names: list[str], before: x509.Certificate) -> None:
        with self.client.answering():
            file = self.client.renew(*names)
        renewed = self._issued(file, names, "http-01")
        assert renewed.serial_number != before.serial_number
        if self.client.names_replaced:
            assert self._order_of(renewed)["replaces"] == renewal_id(before)

    def _revoke(self, file: Path) -> None:
        copy = self.client.folder.with_name(f"{self.client.folder.name}-revoked.pem")
        shutil.copy(file, copy)  # some clients move the file
        assert not self.observer.is_revoked(copy)
        with self.client.answering():
            self.client.revoke(file)
        assert self.observer.is_revoked(copy)

    def _change_key(self) -> None:
        before = self._stored()["thumbprint"]
        self.client.change_key()
        assert self._stored()["thumbprint"] != before
        names = [f"{self.mark}-new-key.example.com"]
        with self.client.answering():
            self._issued(self.client.issue(*names), names, "http-01")

    def _deactivate(self) -> None:
        """Deactivate, and let the client try once more, with the files of before."""
        copy = self.client.folder.with_name(f"{self.client.folder.name}-before")
        shutil.copytree(self.client.folder, copy, symlinks=True)
        self.client.deactivate()
        assert self._stored()["status"] == "deactivated"
        shutil.rmtree(self.client.folder)
        copy.rename(self.client.folder)
        refusals = self.observer.refusals()
        try:
            with self.client.answering():
                self.client.issue(f"{self.mark}-late.example.com")
        except ClientFailed:
            assert self.observer.refusals() > refusals
        else:
            raise AssertionError("a deactivated account was served")
        assert set(self.observer.accounts()) - self._known == {self._account}

    def _stored(self) -> dict[str, Any]:
        return self.observer.accounts()[self._account]

    def _issued(self, file: Path, names: list[str], challenge: Challenge) -> x509.Certificate:
        """Check a chain, and that its names were validated by this challenge for this account; return the leaf."""
        self.observer.verify(file)
        leaf = x509.load_pem_x509_certificates(file.read_bytes())[0]
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert sorted(found.get_values_for_type(x509.DNSName)) == sorted(names)
        order = self._order_of(leaf)
        authorizations = order["authorizations"]
        ordered = [f"*.{one['name']}" if one["wildcard"] else one["name"] for one in authorizations]
        assert (order["closed"], sorted(ordered)) == ("valid", sorted(names))
        validated = {one["type"] for found in authorizations for one in found["challenges"] if one["status"] == "valid"}
        assert validated == {challenge}
        return leaf

    def _order_of(self, leaf: x509.Certificate) -> dict[str, Any]:
        """Return the order of a certificate, which is one of the client's account."""
        serial_number = f"{leaf.serial_number:x}"
        (order,) = (one for one in self.observer.orders(self._account) if one["serial_number"] == serial_number)
        return order


def renewal_id(leaf: x509.Certificate) -> str:
    """Return the identifier of a certificate in renewal information (RFC 9773 §4.1)."""
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    serial_number = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1)  # with the sign bit
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (authority or b"", serial_number))

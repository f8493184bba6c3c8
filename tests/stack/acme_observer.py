"""Read what the authority of the deployed stack knows about ACME clients: its table, answers and published CRLs."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from tests.stack.conftest import Stack
from tests.tools.local_authority import LocalAuthority
from tests.tools.openssl import verify

REFUSED = {401, 403}


class Observer:
    """Reads with the emulator's root credentials."""

    def __init__(self, stack: Stack, authority: LocalAuthority) -> None:
        self._stack = stack
        self._authority = authority
        self._table = stack.resource("AuthorityTable")

    def accounts(self) -> dict[str, dict[str, Any]]:
        """Return all accounts by id."""
        items = self._stack.items(table=self._table)
        found = [json.loads(item["document"]["S"]) for item in items if item["pk"]["S"].startswith("acme-account#")]
        return {one["id"]: one for one in found}

    def orders(self, account: str) -> list[dict[str, Any]]:
        """Return the orders of an account, each with the serial number of its certificate."""
        items = {item["pk"]["S"]: item for item in self._stack.items(table=self._table)}
        orders = [json.loads(item["document"]["S"]) for name, item in items.items() if name.startswith("acme-order#")]
        found = [one for one in orders if one["account"] == account]
        for order in found:
            certificate = items.get(f"certificate#{order['certificate']}")
            order["serial_number"] = None if certificate is None else certificate["serial_number"]["S"]
        return found

    def refusals(self) -> int:
        """Return how many requests the server has refused as unauthorized."""
        return sum(status in REFUSED for _, path, status in self._authority.calls if "/acme/" in path)

    def verify(self, chain: Path) -> None:
        """Let openssl verify a chain against the root."""
        leaf, *issuers = _certificates(chain)
        assert verify(leaf, trusted=self._root, chain="".join(issuers)) == "OK"

    def is_revoked(self, chain: Path) -> bool:
        """Return whether the published CRL, which openssl verifies, has the leaf; False before the first CRL."""
        leaf, *issuers = _certificates(chain)
        crl = self._crl(leaf)
        if crl is None:
            return False
        files = {"leaf": leaf, "chain": "".join(issuers), "root": self._root, "crl": crl}
        paths = {name: self._stack.running.folder / f"revoked-{name}.pem" for name in files}
        for name, text in files.items():
            paths[name].write_text(text)
        command = ["openssl", "verify", "-crl_check", "-CRLfile", paths["crl"], "-trusted", paths["root"]]
        done = subprocess.run(
            [*command, "-untrusted", paths["chain"], paths["leaf"]],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if done.returncode == 0:
            return False
        assert "certificate revoked" in done.stdout + done.stderr, done.stdout + done.stderr
        return True

    @cached_property
    def _root(self) -> str:
        done = self._stack.evercert("authority", "ca", "show", "root", "--pem")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _crl(self, leaf: str) -> str | None:
        """Return the CRL in PEM, from the path that the leaf names at the authority's own address; None if missing."""
        points = x509.load_pem_x509_certificate(leaf.encode()).extensions.get_extension_for_class(
            x509.CRLDistributionPoints
        )
        (name,) = points.value[0].full_name or []
        url = self._authority.address + urlsplit(name.value).path
        trust = ssl.create_default_context(cadata=self._authority.ca_bundle)
        try:
            with urllib.request.urlopen(url, timeout=20, context=trust) as answer:
                found = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise
        command = ["openssl", "crl", "-inform", "DER", "-outform", "PEM"]
        return subprocess.run(command, input=found, capture_output=True, timeout=20, check=True).stdout.decode()


def _certificates(chain: Path) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [f"{part.strip()}\n{end}" for part in chain.read_text().split(end.strip()) if part.strip()]

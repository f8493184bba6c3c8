"""OpenSSL loads the lists of root and issuing CA over http, from the addresses in the certificates."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.authority.ca.builder import Issuer, IssuerURLs
from evercert.authority.ca.crl import BACKDATED, sign_crl
from evercert.authority.ca.definition import CA
from evercert.authority.ca.kms_key import kms_private_key
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.signer.signer import SigningService
from tests.doubles.authority.ceremony import order, pem
from tests.doubles.authority.server import Authority

FAMILIES = {"EC": ("digital_signature",), "RSA": ("digital_signature", "key_encipherment")}
pytestmark = pytest.mark.peer("openssl")


@dataclass
class Hierarchy:
    """An authority that serves plain http, with a good and a revoked leaf in files."""

    server: Authority
    folder: Path
    family: str

    @property
    def root(self) -> CA:
        return self.server.setting.cas[f"{self.family}-root"]

    @property
    def issuing(self) -> CA:
        return self.server.setting.cas[f"{self.family}-issuing"]

    def write(self, name: str, certificate: x509.Certificate) -> str:
        file = self.folder / f"{name}.pem"
        file.write_text(pem(certificate))
        return str(file)

    def publish_root_list(self, *revoked: Revoked) -> None:
        """Sign the root's list as the operator does, because no function of the authority can."""
        now, signing = datetime.now(UTC), self.server.setting.signing
        number = self.server.setting.certificates.next_crl_number(self.root.id, at_least=int(now.timestamp()))
        crl_order = CrlOrder(self.root.id, number, now - BACKDATED, now + timedelta(days=365), revoked)
        key = kms_private_key(signing._keys, self.root.key, self.root.current.x509.public_key())  # type: ignore[arg-type]
        crl = sign_crl(crl_order, Issuer(self.root.current.x509, IssuerURLs(), key))
        self.server.setting.certificates.publish(self.root.id, number, crl.public_bytes(serialization.Encoding.DER))

    def leaf(self) -> x509.Certificate:
        signing: SigningService = self.server.setting.signing
        now = datetime.now(UTC)
        return x509.load_der_x509_certificate(signing.leaf(order(self.issuing, now, key_usages=FAMILIES[self.family])))

    def verdict(self, certificate: x509.Certificate) -> str:
        """Return what OpenSSL says about the certificate alone; a root has no distribution point to load."""
        command = [
            "openssl", "verify", "-x509_strict", "-crl_check", "-crl_download",
            "-trusted", self.write("root", self.root.current.x509),
            "-untrusted", self.write("issuing", self.issuing.current.x509),
            self.write("checked", certificate),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout + done.stderr


@pytest.fixture(params=FAMILIES)
def hierarchy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hierarchy]:
    with Authority(lambda: datetime.now(UTC)) as server:
        yield Hierarchy(server, tmp_path, request.param)


def test_openssl_downloads_the_list_of_the_issuing_ca(hierarchy: Hierarchy) -> None:
    good, revoked = hierarchy.leaf(), hierarchy.leaf()
    assert "unable to get certificate CRL" in hierarchy.verdict(good)
    publisher = hierarchy.server.setting.front.crl_publisher
    entry = Revoked(revoked.serial_number, datetime.now(UTC), "superseded")
    publisher.publish_revoked(hierarchy.issuing.id, {revoked.serial_number: entry})
    assert hierarchy.verdict(good).endswith(": OK\n")
    assert "certificate revoked" in hierarchy.verdict(revoked)


def test_openssl_downloads_the_list_of_the_root(hierarchy: Hierarchy) -> None:
    issuing = hierarchy.issuing.current.x509
    assert "unable to get certificate CRL" in hierarchy.verdict(issuing)
    hierarchy.publish_root_list()
    assert hierarchy.verdict(issuing).endswith(": OK\n")
    at = datetime.now(UTC) - BACKDATED
    hierarchy.publish_root_list(Revoked(issuing.serial_number, at, "cACompromise"))
    assert "certificate revoked" in hierarchy.verdict(issuing)


def test_issuer_addresses_lead_to_the_root(hierarchy: Hierarchy) -> None:
    certificate = hierarchy.leaf()
    for above in (hierarchy.issuing, hierarchy.root):
        (access,) = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        address = access.access_location.value
        assert address.startswith("http://127.0.0.1:")
        with urlopen(address, timeout=10) as answer:
            assert answer.headers["content-type"] == "application/pkix-cert"
            found = x509.load_der_x509_certificate(answer.read())
        certificate.verify_directly_issued_by(found)
        assert found == above.current.x509
        certificate = found

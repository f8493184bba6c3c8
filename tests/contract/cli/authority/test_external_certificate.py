"""`evercert authority ca csr` and `ca import`: issuing CAs that an external CA certifies."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.pki.usages import key_usage
from tests.contract.cli.authority.command_line import Command, fine, refused
from tests.samples.certificates import private_key
from tests.samples.chains import Entity, patched


class ExternalCA:
    """An external CA; `organization` is the DER that its name has instead of `Mxller GmbH`, in UTF-8."""

    def __init__(self, organization: bytes = b"") -> None:
        self.organization = organization
        self.key = private_key("EC_secp384r1", 7_000)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.name = x509.Name.from_rfc4514_string("CN=Outside Root" + (",O=Mxller GmbH" if organization else ""))
        self.root = self.signed(self.name, self.key.public_key(), None)

    def signed(self, name: x509.Name, key: Any, length: int | None, **changes: Any) -> x509.Certificate:
        begins, lasts = changes.get("begins", self.now - timedelta(hours=1)), changes.get("lasts", timedelta(days=365))
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(changes.get("issuer", self.name)).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(begins + lasts)
            .add_extension(x509.BasicConstraints(ca=changes.get("ca", True), path_length=length), critical=True)
        )  # fmt: skip
        if changes.get("identifier", True):
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        if changes.get("extra"):
            builder = builder.add_extension(changes["extra"], critical=True)
        if changes.get("usage"):
            builder = builder.add_extension(key_usage(changes["usage"]), critical=True)
        signer = changes.get("signer", self.key)
        signed = builder.sign(signer, hashes.SHA256())
        if not self.organization:
            return signed
        ours = Entity(signed, signer)
        return patched(ours, ours, b"\x0c\x0bMxller GmbH", self.organization).certificate


def pem(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


@pytest.fixture
def csr(command: Command) -> x509.CertificateSigningRequest:
    """Return the output of `ca csr` for a CA that was created without a root."""
    code, out, err = command("init", "--no-root", "--common-name", "Example", "--yes")
    assert (code, err) == (0, "note: names are not stored: pass --common-name and --organization to ca csr\n")
    assert "CA issuing-ec has no certificate yet: run evercert authority ca csr issuing-ec" in out
    code, out, _ = command("ca", "csr", "issuing-ec")
    assert code == 0
    return x509.load_pem_x509_csr(out.encode())


def test_import_activates_an_externally_certified_ca(
    command: Command, csr: x509.CertificateSigningRequest, tmp_path: Path, configuration: ConfigurationWriter
) -> None:
    external, file = ExternalCA(), tmp_path / "ca.pem"
    file.write_text(pem(external.signed(csr.subject, csr.public_key(), 0), external.root))
    refused(command("ca", "enable", "issuing-ec"), "has no certificate yet")
    refused(command("ca", "show", "issuing-ec", "--pem"), "has no certificate yet")
    done = fine(command("ca", "import", "issuing-ec", str(file), "--json"))
    assert (done["status"], done["certificates"][0]["issuer"]) == ("active", "CN=Outside Root")
    assert fine(command("ca", "import", "issuing-ec", str(file), "--json")) == done
    assert command("ca", "import", "issuing-ec", str(file))[1] == "CA issuing-ec has this certificate already\n"
    assert configuration.ca_named("issuing-ec").current.chain == pem(external.root)
    refused(command("ca", "renew", "issuing-ec"), "is certified by an external CA")


def test_import_checks_path_lengths_of_the_chain(
    command: Command, csr: x509.CertificateSigningRequest, tmp_path: Path
) -> None:
    external, file, key = ExternalCA(), tmp_path / "ca.pem", private_key("EC_secp384r1", 7_002)
    name = x509.Name.from_rfc4514_string("CN=Between")
    mine = external.signed(csr.subject, csr.public_key(), 0, issuer=name, signer=key)
    for between, root, too_short in ((0, 2, "CN=Between"), (1, 1, "CN=Outside Root"), (1, 2, None)):
        above = external.signed(name, key.public_key(), between)
        file.write_text(pem(mine, above, external.signed(external.name, external.key.public_key(), root)))
        message = command("ca", "import", "issuing-ec", str(file), "--json")
        if too_short is None:
            assert fine(message)["status"] == "active"
        else:
            refused(message, f"'{too_short}': its path length allows")


def test_import_chooses_the_valid_certificate_of_the_ca(
    command: Command, csr: x509.CertificateSigningRequest, tmp_path: Path, configuration: ConfigurationWriter
) -> None:
    """The file also has a certificate that expired, and one of another name by another CA."""
    external, stranger, file = ExternalCA(), private_key("EC_secp384r1", 7_003), tmp_path / "ca.pem"
    begins = external.now - timedelta(days=10)
    expired = external.signed(csr.subject, csr.public_key(), 0, begins=begins, lasts=timedelta(days=1))
    unknown = external.signed(
        csr.subject, csr.public_key(), 0, issuer=x509.Name.from_rfc4514_string("CN=Unknown"), signer=stranger
    )
    mine = external.signed(csr.subject, csr.public_key(), 0)
    file.write_text(pem(expired, unknown, mine, external.root))
    assert fine(command("ca", "import", "issuing-ec", str(file), "--json"))["status"] == "active"
    assert configuration.ca_named("issuing-ec").current.x509 == mine
    file.write_text(pem(expired, external.root))
    refused(command("ca", "import", "issuing-rsa", str(file)), "no certificate for the CA's key")
    refused(command("ca", "import", "issuing-ec", str(file)), "it is not valid after")


def test_import_accepts_any_order(
    command: Command, csr: x509.CertificateSigningRequest, tmp_path: Path, configuration: ConfigurationWriter
) -> None:
    external, file, key = ExternalCA(), tmp_path / "ca.pem", private_key("EC_secp384r1", 7_002)
    name = x509.Name.from_rfc4514_string("CN=Between")
    between = external.signed(name, key.public_key(), 1)
    mine = external.signed(csr.subject, csr.public_key(), 0, issuer=name, signer=key)
    file.write_text(pem(external.root, between, mine, external.root))
    assert fine(command("ca", "import", "issuing-ec", str(file), "--json"))["status"] == "active"
    assert configuration.ca_named("issuing-ec").current.chain == pem(between, external.root)


def test_import_accepts_a_teletex_name_of_the_issuer(
    command: Command, csr: x509.CertificateSigningRequest, tmp_path: Path
) -> None:
    external, file = ExternalCA(b"\x14\x0bM\xfcller GmbH"), tmp_path / "ca.pem"
    mine = external.signed(csr.subject, csr.public_key(), 0)
    file.write_text(pem(mine, external.root))
    done = fine(command("ca", "import", "issuing-ec", str(file), "--json"))
    assert done["certificates"][0]["issuer"] == "CN=Outside Root, O=Müller GmbH"
    assert "Müller GmbH" in command("ca", "show", "issuing-ec")[1]


def test_import_refuses_a_subject_that_leaves_cannot_copy(
    command: Command, csr: x509.CertificateSigningRequest, tmp_path: Path
) -> None:
    external, file = ExternalCA(), tmp_path / "ca.pem"
    mine = external.signed(x509.Name.from_rfc4514_string("CN=Mxller"), csr.public_key(), 0)
    odd = patched(Entity(mine, None), Entity(external.root, external.key), b"\x0c\x06Mxller", b"\x14\x06M\xfcller")
    file.write_text(pem(odd.certificate, external.root))
    refused(command("ca", "import", "issuing-ec", str(file)), "the CA's subject has text that does not fit its string")


def test_init_adds_no_root_above_externally_certified_cas(
    command: Command, csr: x509.CertificateSigningRequest, configuration: ConfigurationWriter
) -> None:
    refused(command("init", "--yes"), "issuing-ec, issuing-rsa of stack")
    assert [ca.name for ca in configuration.cas()] == ["issuing-ec", "issuing-rsa"]
    assert {ca.status for ca in configuration.cas()} == {"pending"}
    assert command("init", "--no-root", "--yes")[0] == 0


def test_import_refuses_unusable_certificates(
    command: Command, csr: x509.CertificateSigningRequest, tmp_path: Path, configuration: ConfigurationWriter
) -> None:
    external, file = ExternalCA(), tmp_path / "ca.pem"
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    past = {"begins": external.now - timedelta(days=9), "lasts": timedelta(days=8)}
    mine, theirs = external.signed(csr.subject, csr.public_key(), 0), external.key.public_key()
    cases: list[tuple[Any, ...]] = [
        ([external.signed(csr.subject, other, 0), external.root], "no certificate for the CA's key"),
        ([external.signed(csr.subject, csr.public_key(), None, ca=False), external.root], "lack CA:TRUE"),
        ([external.signed(csr.subject, csr.public_key(), 0, **past), external.root], "it is not valid after"),
        ([external.signed(csr.subject, csr.public_key(), 0, identifier=False), external.root], "key identifier"),
        ([external.signed(csr.subject, csr.public_key(), 0)], "does not end with a root"),
        (
            [external.signed(csr.subject, csr.public_key(), 0, usage=("digital_signature",)), external.root],
            "its key usage does not allow signing certificates",
            "its key usage lacks cRLSign",
        ),
        ([external.signed(x509.Name([]), csr.public_key(), 0), external.root], "CA with an empty subject"),
        ([mine, external.signed(external.name, theirs, None, **past)], "'CN=Outside Root': it is not valid after"),
        ([mine, external.signed(external.name, theirs, 0)], "its path length allows 0 CAs below it"),
        ([mine, external.signed(external.name, theirs, None, ca=False)], "'CN=Outside Root': it is not a CA"),
    ]
    weak = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.4")])
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    root_key = private_key("RSA_1024")
    weak_root = external.signed(external.name, root_key.public_key(), None, signer=root_key)
    cases += [
        (
            [external.signed(csr.subject, csr.public_key(), 0, extra=weak), external.root],
            "its extended key usage lacks clientAuth or serverAuth",
        ),
        (
            [external.signed(csr.subject, csr.public_key(), 0, extra=unknown), external.root],
            "critical extension 1.2.3.4",
        ),
        ([external.signed(csr.subject, csr.public_key(), 0, signer=root_key), weak_root], "1024 bits"),
        ([mine, external.signed(external.name, theirs, None, usage=("digital_signature",))], "keyCertSign"),
        (
            [mine, external.signed(external.name, theirs, None, begins=external.now + timedelta(days=1))],
            "not valid before",
        ),
    ]
    for chain, *messages in cases:
        file.write_text(pem(*chain))
        refused(command("ca", "import", "issuing-ec", str(file)), *messages)
    forged = external.signed(csr.subject, csr.public_key(), 0, signer=private_key("EC_prime256v1", 7_001))
    file.write_text(pem(forged, external.root))
    refused(command("ca", "import", "issuing-ec", str(file)), "no certificate of the chain issued it")
    encoded = mine.public_bytes(serialization.Encoding.DER)
    fourth = base64.encodebytes(encoded.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\3")).decode()
    file.write_text(f"-----BEGIN CERTIFICATE-----\n{fourth}-----END CERTIFICATE-----\n{pem(external.root)}")
    refused(command("ca", "import", "issuing-ec", str(file)), "malformed certificate: 3 is not a valid X509 version")
    request = csr.public_bytes(serialization.Encoding.PEM).decode()
    for text, message in (
        ("", "no PEM certificates found"), (request, "found; this is a CSR: have the external CA sign it"),
        ("-----BEGIN CERTIFICATE-----\n", "no PEM certificate found"),
        ("-----BEGIN PRIVATE KEY-----", "contains a private key"),
    ):  # fmt: skip
        file.write_text(text)
        refused(command("ca", "import", "issuing-ec", str(file)), message)
    refused(command("ca", "import", "issuing-ec", str(tmp_path / "none.pem")), "cannot read ")
    assert configuration.ca_named("issuing-ec").status == "pending"

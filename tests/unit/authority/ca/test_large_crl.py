"""A list of the most entries: within the limits of Lambda, and correct for OpenSSL and pkilint."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.ca.crl import BACKDATED, MOST_ENTRIES
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.signer.wire_format import encode_crl
from tests.doubles.authority.authority import Setting
from tests.samples.certificates import private_key
from tests.tools.pkilint import findings

LARGEST_PAYLOAD = 6 * 1_024 * 1_024  # bytes of a synchronous invocation of Lambda, each way
REASONS = (None, "keyCompromise", "superseded", "cessationOfOperation")


@pytest.fixture(scope="module")
def made() -> tuple[Setting, CrlOrder, bytes]:
    setting = Setting()
    now = setting.clock()
    revoked = tuple(
        Revoked(secrets.randbits(158) + 1, now - timedelta(days=1, seconds=number), REASONS[number % 4])
        for number in range(MOST_ENTRIES)
    )
    ca = setting.cas["EC-issuing"].id
    order = CrlOrder(ca, int(now.timestamp()), now - BACKDATED, now + timedelta(days=7), revoked)
    return setting, order, setting.signer.crl(order)


def test_order_and_answer_fit_into_an_invocation(made: tuple[Setting, CrlOrder, bytes]) -> None:
    _, order, der = made
    assert len(order.revoked) == 50_000
    assert len(json.dumps(encode_crl(order))) < LARGEST_PAYLOAD
    assert len(base64.b64encode(der)) < LARGEST_PAYLOAD


@pytest.mark.peer("openssl")
def test_openssl_verifies_every_entry(made: tuple[Setting, CrlOrder, bytes], tmp_path: Path) -> None:
    setting, order, der = made
    ca = tmp_path / "ca.pem"
    ca.write_text(setting.cas["EC-issuing"].current.certificate)
    (tmp_path / "list.crl").write_bytes(der)
    command = [
        "openssl",
        "crl",
        "-inform",
        "DER",
        "-in",
        str(tmp_path / "list.crl"),
        "-CAfile",
        str(ca),
        "-text",
        "-noout",
    ]
    done = subprocess.run([*command, "-verify"], capture_output=True, text=True, check=True)
    assert "verify OK" in done.stderr + done.stdout
    assert done.stdout.count("Serial Number:") == len(order.revoked)
    crl = x509.load_der_x509_crl(der)
    assert {one.serial_number for one in crl} == {one.serial_number for one in order.revoked}
    assert crl.public_bytes(Encoding.DER) == der


@pytest.mark.peer("lint_pkix_cert")
@pytest.mark.timeout(900)  # pkilint decodes some hundred entries a second
def test_pkilint_finds_nothing_in_it(made: tuple[Setting, CrlOrder, bytes]) -> None:
    assert findings(x509.load_der_x509_crl(made[2])) == []


@pytest.mark.peer("lint_pkix_cert")
def test_pkilint_reports_a_list_without_a_number(made: tuple[Setting, CrlOrder, bytes]) -> None:
    setting, order, _ = made
    entry = order.revoked[0]
    revoked = x509.RevokedCertificateBuilder().serial_number(entry.serial_number).revocation_date(entry.at)
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(setting.cas["EC-issuing"].current.x509.subject)
        .last_update(order.this_update).next_update(order.next_update).add_revoked_certificate(revoked.build())
    )  # fmt: skip
    found = findings(builder.sign(private_key("EC_prime256v1"), hashes.SHA256()))
    assert any("crl_number" in one for one in found), found

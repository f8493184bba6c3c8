"""A list of the most entries: within the limits of Lambda, and correct for OpenSSL."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.ca.crl import BACKDATED, MOST_ENTRIES
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.signer.wire_format import encode_crl
from tests.doubles.authority.authority import Setting

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

"""Alternate chains of a certificate (RFC 8555 §7.4.2): a CA with certificates of two roots for one key."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from cryptography import x509

from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer
from tests.doubles.authority.cross_signing import cross_sign


def issued() -> tuple[AcmeClient, str]:
    client = AcmeClient(AcmeAuthority())
    client.register()
    order, _ = client.issue("www.example.com")
    return client, order["certificate"]


def alternates(answer: Answer) -> list[str]:
    found = re.findall(r'<([^>]*)>;rel="alternate"', answer.headers["Link"])
    assert first_of(answer.headers["Link"], "alternate") == next(iter(found), "")
    return found


def first_of(header: str, relation: str) -> str:
    """Return the link that golang.org/x/crypto/acme reads: it splits at `;` only, and takes what is before the first."""
    parts = header.split(";")
    named = any(part.strip() == f'rel="{relation}"' for part in parts[1:])
    return parts[0].strip().strip("<>") if named else ""


def chain(answer: Answer) -> list[x509.Certificate]:
    assert answer.headers["Content-Type"] == "application/pem-certificate-chain"
    return x509.load_pem_x509_certificates(answer.text.encode())


def test_chain_to_another_root_is_linked_and_read() -> None:
    client, url = issued()
    cross = cross_sign(client.authority.setting)
    default = client.read(url)
    (other,) = alternates(default)
    answer = client.read(other)
    assert chain(answer) == [chain(default)[0], cross]
    chain(answer)[0].verify_directly_issued_by(cross)
    assert alternates(answer) == [url]


def test_certificate_of_one_chain_links_none() -> None:
    client, url = issued()
    assert alternates(client.read(url)) == []
    assert client.read(f"{url}/alternates/1").status == 404


def test_expired_chain_is_left_out() -> None:
    client, url = issued()
    cross_sign(client.authority.setting, timedelta(days=1))
    client.authority.setting.clock.advance(seconds=86_401)
    assert alternates(client.read(url)) == []


@pytest.mark.parametrize("number", ["0", "10", "x", ""])
def test_number_that_no_chain_has_is_unknown(number: str) -> None:
    client, url = issued()
    cross_sign(client.authority.setting)
    assert client.read(f"{url}/alternates/{number}").status == 404


def test_other_account_reads_no_alternate() -> None:
    client, url = issued()
    cross_sign(client.authority.setting)
    other = AcmeClient(client.authority)
    other.register()
    assert other.read(f"{url}/alternates/1").status == 404

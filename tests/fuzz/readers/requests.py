"""Readers of certification requests: documents and clients give them."""

from __future__ import annotations

from functools import cache

from evercert.authority.requests import csr as authority_csr
from evercert.pki import csr_parser
from tests.fuzz.reader import Reader
from tests.samples import requests


@cache
def samples() -> list[bytes]:
    """Return requests with every field that the parsers read, correctly signed."""
    subject = requests.name(
        [(requests.C, requests.PRINTABLE, b"DE")],
        [(requests.O, requests.T61, b"M\xfcller")],
        [(requests.OU, requests.BMP, "Web".encode("utf-16-be"))],
        [(requests.CN, requests.UTF8, b"www.example.com"), (requests.EMAIL, requests.IA5, b"a@example.com")],
    )
    everything = requests.extensions(
        requests.dns_names("www.example.com", "*.example.com"),
        requests.extension(requests.KEY_USAGE, bytes.fromhex("03020780"), critical=True),
        requests.extension("2.5.29.37", bytes.fromhex("300a06082b06010505070301")),
        requests.extension("2.5.29.19", bytes.fromhex("3000"), critical=True),
        requests.extension(requests.TLS_FEATURE, bytes.fromhex("3003020105")),
    )
    password = requests.attribute(requests.CHALLENGE_PASSWORD, requests.tlv(requests.UTF8, b"secret"))
    rsa = requests.private_key("RSA_2048")
    return [
        requests.der(requests.request(subject, [everything, password])),
        requests.der(requests.request()),
        requests.der(requests.request(subject, [everything], key=rsa)),
    ]


def read_of_document(data: bytes) -> None:
    """Read a request as `validate` does, also with a valid signature: a broken one hides what follows."""
    if (signed := requests.resigned(data)) is not None:
        found = csr_parser.read.__wrapped__(requests.pem(signed))
        assert all(note.isprintable() for note in found.notes)
    csr_parser.read.__wrapped__(requests.pem(data))


def read_of_client(data: bytes) -> None:
    """Read a request as the authority does, also with a valid signature."""
    if (signed := requests.resigned(data)) is not None:
        found = authority_csr.read(requests.pem(signed))
        assert all(note.isprintable() for note in found.notes)
    authority_csr.read(requests.pem(data))


READERS = [
    Reader("document's csr", samples, read_of_document, cost=2),
    Reader("client's csr", samples, read_of_client, cost=2),
]

"""Readers of single texts: names, patterns, addresses, durations, times, keys, headers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import cache, partial

from cryptography.hazmat.primitives.serialization import Encoding

from evercert import durations, timestamps
from evercert.authority.ca.ceiling import identifiers_of_common_name, within
from evercert.authority.ca.public_files import PublicFile
from evercert.authority.infisical_api.conditional_requests import file_response
from evercert.authority.policy import patterns
from evercert.aws.route53 import unquoted
from evercert.documents.lifecycle import RenewBefore
from evercert.http_client.retry import Retry, retry_after
from evercert.http_client.trust import check
from evercert.issuers.aws_private_ca.progress import Progress
from evercert.origins import Hosts, Origin, forbidden, path_of
from evercert.pki import common_name, der, distinguished_names, identifiers, uris
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey
from evercert.pki.path import general_names
from evercert.pki.subject import parse_subject
from evercert.solvers.route53 import _read
from tests.doubles.authority.ceremony import ceiling
from tests.doubles.fakes import START
from tests.fuzz.changes import changed_tree, mutated_text
from tests.fuzz.reader import Reader
from tests.fuzz.readers.certificates import chain, pem_of
from tests.samples import requests
from tests.samples.authority import crl
from tests.samples.certificates import key_pem

NAMES = [
    *("www.example.com", "*.example.com", "dns:bücher.example", "192.0.2.1", "ip:2001:db8::1", "email:a@example.com"),
    *("uri:spiffe://example.com/a", "https://www.example.com:8443/path?x#y", "ops@example.com", "www%2Eexample%2Ecom"),
]  # fmt: skip
KINDS = {
    "dns_name": "www.example.com",
    "ip_address": "192.0.2.1",
    "email": "a@example.com",
    "uri": "spiffe://example.com/a",
}
TIMES = ["2026-01-15T12:00:00.000Z"]


def _text(name: str, read: Callable[[str], object], *samples: str, cost: int = 1) -> Reader:
    return Reader(name, lambda: list(samples), read, mutated_text, cost=cost)


def read_name(text: str) -> None:
    """Read a name in every way that documents, requests and answers do."""
    _ = (common_name.host_of(text), common_name.problem(text), identifiers_of_common_name(text))
    found = identifiers.parse(text)
    assert identifiers.from_general_name(found.general_name()) == found
    within(found, ceiling())


def read_pattern(text: str) -> None:
    """Check a pattern, and apply it to names if it is valid."""
    for kind, name in KINDS.items():
        if patterns.pattern_problem(kind, text) is None:
            _ = (patterns.allows(kind, text, name), patterns.denies(kind, text, name))


def read_origin(text: str) -> None:
    """Read an address; what is accepted is read back unchanged."""
    origin = Origin.of(text)
    assert Origin.of(str(origin)) == origin
    _ = (origin.address, origin.is_loopback, path_of(text))


def read_renew_before(text: str) -> None:
    """Read the setting, and apply it."""
    found = RenewBefore.parse(text)
    _ = found.never or found.within(durations.parse("90d"))


def read_distinguished_name(data: bytes) -> None:
    """Read a name in every way."""
    for read in (
        distinguished_names.canonical,
        distinguished_names.printed,
        distinguished_names.entries,
        parse_subject,
    ):
        read(data)
    distinguished_names.has_multi_valued_rdn(data)
    distinguished_names.values(data, requests.CN)


@cache
def names_in_der() -> list[bytes]:
    """Return distinguished names of every string type, and an alternative name of each kind."""
    values = [
        (requests.O, kind, b"ab\x00c")
        for kind in (requests.UTF8, requests.PRINTABLE, requests.T61, requests.BMP, requests.IA5)
    ]
    return [
        requests.name(*[[value] for value in values]),
        requests.name(values),
        chain()[2].certificate.subject.public_bytes(),
    ]


def read_general_name(data: bytes) -> None:
    """Read an alternative name of a certificate or a request, as a certificate's and as a constraint's."""
    element = der.read(data)
    general_names.fault(element.tag, element.content)
    general_names.printed(element.tag, element.content)
    found = identifiers.from_der(element)
    assert found is None or str(found)


def read_der(data: bytes) -> None:
    """Read an element as each primitive."""
    element = der.read(data)
    for read in (
        der.boolean,
        der.integer,
        der.object_identifier,
        lambda found: der.bits(found.content),
        lambda found: found.children(),
    ):
        try:
            read(element)
        except ValueError:
            continue


def names_of_each_kind() -> list[bytes]:
    texts = {
        0x82: b"www.example.com",
        0x81: b"a@example.com",
        0x86: b"spiffe://example.com/a",
        0x87: b"\xc0\x00\x02\x01",
        0x88: b"*",
    }
    return [requests.tlv(tag, value) for tag, value in texts.items()] + [requests.tlv(0xA4, names_in_der()[0])]


def read_key(data: bytes) -> None:
    """Read a private key in both forms."""
    try:
        PrivateKey.from_pem(data.decode("latin-1"))
    except ValueError:
        PrivateKey.from_der(data)


@cache
def keys() -> list[bytes]:
    return [key_pem("EC_prime256v1"), key_pem("RSA_2048"), PrivateKey.generate("EC_prime256v1").der()]


def read_if_modified(text: str) -> None:
    """Answer a conditional request for a CRL."""
    for header in ("if-modified-since", "if-none-match", "range"):
        file_response(PublicFile("/crl", b"crl", "application/pkix-crl", 300, START), "GET", {header: text})


READERS = [
    _text("name", read_name, *NAMES, cost=2),
    _text("uri", uris.checked, "spiffe://example.com/a", "https://[2001:db8::1]:1/a?b#c", "urn:uuid:1"),
    _text("pattern", read_pattern, "*", "*.example.com", "192.0.2.*", "spiffe://*/a", "?", cost=4),
    _text("origin", read_origin, "https://app.infisical.com/api", "https://[2001:db8::1]:8443", "http://xn--bcher-kva.example"),
    _text("address", lambda text: forbidden(ipaddress.ip_address(text)), "192.0.2.1", "::ffff:127.0.0.1", "2002:a9fe:a9fe::1"),
    _text("hosts", Hosts.of, "app.infisical.com, *.example.com:8443", "[::1]:443"),
    _text("duration", durations.parse, "90d", "1h30m", "10m"),
    _text("time", timestamps.from_text, *TIMES),
    _text("renew-before-expiry", read_renew_before, "30d", "33%", "never"),
    _text("Retry-After", partial(retry_after, now=START), "120", "Thu, 15 Jan 2026 12:00:00 GMT", "Thursday, 15-Jan-26 12:00:00 GMT"),
    _text("TXT value", unquoted, '"a" "b"', '"\\303\\274\\""', "a"),
    _text("notes of the solver route53", _read, '{"change":"C1","name":"_acme-challenge.example.com","zone":"Z1"}'),
    _text("progress at AWS Private CA", Progress.parse, '{"certificate":"arn:aws:acm-pca:a:1:b/c","polls":3}'),
    _text("conditional request", read_if_modified, "Thu, 15 Jan 2026 12:00:00 GMT", '"abc", W/"def"', "bytes=0-1"),
    Reader("retry settings", lambda: [Retry().model_dump(mode="json", by_alias=True)], Retry.model_validate, changed_tree),
    Reader("CA bundle", lambda: [pem_of(chain()[0].certificate.public_bytes(Encoding.DER)).encode()], lambda data: check(data.decode("latin-1"), Origin.of("https://a.example"))),
    Reader("chain", lambda: [chain()[2].certificate.public_bytes(Encoding.PEM)], lambda data: Chain.from_pem(data.decode("latin-1"))),
    Reader("private key", keys, read_key, cost=2),
    Reader("distinguished name", names_in_der, read_distinguished_name),
    Reader("general name", names_of_each_kind, read_general_name),
    Reader("DER", lambda: [*names_of_each_kind(), *names_in_der(), crl(1)], read_der),
]  # fmt: skip

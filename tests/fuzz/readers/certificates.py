"""Readers of certificates: of answers, of paths, of bundles, of files of CAs."""

from __future__ import annotations

import base64
import tempfile
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.cli.authority import external_certificate
from evercert.cli.files import BadInput
from evercert.contracts.issuer import Issued
from evercert.contracts.record import Pending, Record
from evercert.issuance import answer_check
from evercert.pki.certificate import Chain, load, to_pem
from evercert.pki.keys import PrivateKey
from evercert.pki.path.validation import validate
from tests.doubles.fakes import START, spec
from tests.fuzz.reader import ANY_TYPED, Reader
from tests.samples.chains import Entity, issue, leaf

KEY = PrivateKey.generate("EC_prime256v1")


class _Subject:
    """The key of a subject, as far as a CA knows it."""

    def public_key(self) -> object:
        return KEY.public_key


@cache
def chain() -> tuple[Entity, Entity, Entity]:
    """Return root, issuing CA with constraints, and leaf with names of every kind."""
    constraints = x509.NameConstraints([x509.DNSName("example.com"), x509.RFC822Name("example.com")], None)
    root = issue("Root")
    issuing = issue("Issuing", root, path_length=0, extensions=[(constraints, True)])
    names = ("dns:www.example.com", "ip:192.0.2.1", "email:a@example.com", "uri:spiffe://example.com/a")
    return root, issuing, leaf(issuing, names, key=_Subject())


def der_of(entity: Entity) -> bytes:
    return entity.certificate.public_bytes(Encoding.DER)


def pem_of(der: bytes) -> str:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


def read_leaf(data: bytes) -> None:
    """Check an answer whose leaf is mutated, as a run does."""
    root, issuing, _ = chain()
    found = Chain((load(pem_of(data)), issuing.certificate, root.certificate))
    wanted = spec()
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=wanted, generation=1)
    csr = KEY.sign_csr(wanted.attributes)
    pending = Pending(
        revision=1, reason="missing", generation=1, issuer="main", request_hash="", issuer_hash="", csr=csr
    )
    verdict = answer_check.check(record, pending, Issued(found), START)
    assert all(text.isprintable() for text in (*verdict.mismatches, *verdict.chain_faults))


def read_path(data: bytes) -> None:
    """Validate a path with a mutated intermediate."""
    root, issuing, last = chain()
    others = [load(pem_of(data)), root.certificate, issuing.certificate]
    validate(last.certificate, others, START, strict=True)


def read_bundle(data: bytes) -> None:
    """Parse a bundle whose text is mutated."""
    found = Chain.from_pem(data.decode("latin-1"))
    assert Chain.from_pem(found.pem).certificates == found.certificates
    _ = (found.identifiers, found.serial_number, found.fullchain_pem, found.ends)


def read_import(data: bytes) -> None:
    """Import a CA certificate from a mutated file."""
    _, issuing, _ = chain()
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        external_certificate.read(file.name, issuing.key.public_key(), START)


def certificates() -> list[bytes]:
    return [der_of(entity) for entity in chain()]


def bundles() -> list[bytes]:
    root, issuing, last = (entity.certificate for entity in chain())
    return [to_pem(found).encode() for found in ([last, issuing, root], [last], [last, root, issuing, last])]


def ca_files() -> list[bytes]:
    root, issuing, _ = (entity.certificate for entity in chain())
    return [to_pem([issuing, root]).encode(), to_pem([root, issuing]).encode()]


READERS = [
    Reader("leaf", lambda: [der_of(chain()[2])], read_leaf, cost=3),
    Reader("path", certificates, read_path, cost=3),
    Reader("bundle", bundles, read_bundle),
    Reader("CA file", ca_files, read_import, typed=(*ANY_TYPED, BadInput)),
]

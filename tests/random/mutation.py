"""Fuzzing of readers: valid input, mutated byte by byte, must give a value or a typed error.

`python -m tests.random.mutation --count N [--seed S] [NAME ...]` runs N inputs, spread over the readers; the seed is
printed. A reader that is added later joins READERS.
"""

from __future__ import annotations

import argparse
import base64
import random
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.cli.authority import external_certificate
from evercert.cli.files import BadInput
from evercert.contracts.issuer import Issued
from evercert.contracts.record import Pending, Record
from evercert.errors import EvercertError
from evercert.issuance import answer_check
from evercert.pki.certificate import Chain, load, to_pem
from evercert.pki.keys import PrivateKey
from evercert.pki.path.validation import validate
from tests.doubles.fakes import START, spec
from tests.random import csr_readers
from tests.samples.chains import Entity, issue, leaf

TYPED = (ValueError, EvercertError, BadInput)  # what a reader may raise; everything else is a bug
MAX_CHANGES = 4


@dataclass(frozen=True)
class Reader:
    """A reader of outside input: valid samples, and a function that reads one input."""

    name: str
    samples: Callable[[], list[bytes]]
    read: Callable[[bytes], object]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the data with one to four changes: bits, bytes, removed, repeated or swapped slices, a cut."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, MAX_CHANGES)):
        at, size = chance.randrange(len(changed) or 1), chance.choice((1, 1, 2, 4, 16))
        match chance.randrange(7):
            case 0 if changed:
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if changed:
                changed[at] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at:at] = chance.randbytes(size)
            case 5:
                other = chance.randrange(len(changed) or 1)
                changed[at : at + size] = changed[other : other + size]
            case _:
                changed = changed[: max(at, 1)] if chance.random() < 0.2 else changed
    return bytes(changed)


def fuzz(reader: Reader, count: int, seed: int) -> None:
    """Read `count` mutated inputs; raise AssertionError with the input for an error that is not typed."""
    chance = random.Random(f"{seed} {reader.name}")
    samples = reader.samples()
    for _ in range(count):
        data = mutated(chance.choice(samples), chance)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader.read(data)
        except TYPED:
            continue
        except Exception as error:
            shown = base64.b64encode(data).decode()
            raise AssertionError(
                f"{reader.name}: {type(error).__name__}: {error}; seed {seed}; input {shown}"
            ) from error


# -- certificates -------------------------------------------------------------------------------------------------------
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
    Reader("leaf", lambda: [der_of(chain()[2])], read_leaf),
    Reader("path", certificates, read_path),
    Reader("bundle", bundles, read_bundle),
    Reader("import", ca_files, read_import),
    Reader("document's csr", csr_readers.samples, csr_readers.read_of_document),
    Reader("client's csr", csr_readers.samples, csr_readers.read_of_client),
]


def main() -> int:
    """Fuzz the chosen readers, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [reader for reader in READERS if not options.names or reader.name in options.names]
    print(f"fuzz: seed {options.seed}", flush=True)
    for reader in chosen:
        fuzz(reader, options.count // len(chosen), options.seed)
        print(f"fuzz: {reader.name}: {options.count // len(chosen)} inputs, no untyped error", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

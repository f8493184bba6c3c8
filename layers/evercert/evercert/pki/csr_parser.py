"""Parser for CSRs that users supply: translate them to document attributes, note what the issuer alone judges."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from pydantic import ValidationError

from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.attributes import Attributes
from evercert.pki.certification_request import CHALLENGE_PASSWORD, CertificationRequest
from evercert.pki.csr_extensions import (
    CRL_SIGN,
    KEY_CERT_SIGN,
    RequestedExtensions,
    name_of,
    parse_extensions,
)
from evercert.pki.subject import Subject, parse_subject
from evercert.pki.weak_keys import rsa_weakness
from evercert.schema import first_problem, printable

LARGEST = 16_384  # characters of PEM: a hundred names and a key of 4,096 bits take half of it
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_DIGESTS = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
# Signature algorithms: RFC 4055 §5 (RSA), RFC 5758 §3.2 (EC), RFC 8410 §3 (Ed25519).
_SIGNATURES: dict[str, tuple[str, hashes.HashAlgorithm | None]] = {
    **{f"1.2.840.113549.1.1.{11 + at}": ("RSA", digest) for at, digest in enumerate(_DIGESTS)},
    **{f"1.2.840.10045.4.3.{2 + at}": ("EC", digest) for at, digest in enumerate(_DIGESTS)},
    "1.2.840.113549.1.1.10": ("PSS", None),
    "1.3.101.112": ("Ed25519", None),
}
_MANY = ("domain_components",)
_BLOCK = "-----BEGIN "
_PEM = re.compile(r"-----BEGIN ((?:NEW )?CERTIFICATE REQUEST)-----([^-]*)-----END \1-----")
_LINE = 64  # characters of a line of PEM (RFC 7468 §2)
_MOST_NAMED = 10  # types in one note
_UNSUPPORTED_KEY = "unsupported key: use RSA 2048, 3072 or 4096, EC P-256, P-384 or P-521, or Ed25519"


@dataclass(frozen=True)
class ParsedCsr:
    """The content of a CSR; `pem` is the request without any text around it.

    `notes` names what is passed on to the issuer unchecked.
    """

    pem: str
    algorithm: KeyAlgorithm
    attributes: Attributes
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=16)  # a spec is parsed more than once in a run
def read(text: str) -> ParsedCsr:
    """Parse a CSR; raise ValueError if evercert cannot request its content. Never quotes it: it may contain a key."""
    request = load(text)
    _, algorithm = proven_key(request)
    subject, extensions = parse_subject(request.subject_der), parse_extensions(request)
    try:
        attributes = Attributes.model_validate({**_subject(subject), **_extensions(extensions)})
    except ValidationError as error:
        problem = first_problem(error).replace("Value error, ", "")
        raise ValueError(f"it requests unsupported content: {printable(problem)}") from error
    return ParsedCsr(pem_of(request), algorithm, attributes, tuple(_notes(request, subject, extensions)))


def load(text: str) -> CertificationRequest:
    """Load the only CSR in the text; raise ValueError if it is invalid, or contains a private key."""
    if "PRIVATE KEY-----" in text:
        raise ValueError("contains a private key, which must not be in a document; give only the certificate request")
    if len(text) > LARGEST:
        raise ValueError(f"too long: {len(text)} characters; the limit is {LARGEST}")
    if text.count(_BLOCK) != 1:
        raise ValueError(f"has {text.count(_BLOCK)} PEM blocks; give one, -----BEGIN CERTIFICATE REQUEST-----")
    try:
        text.encode()  # text around the request may have lone surrogates
        block = _PEM.search(text)
        request = CertificationRequest(base64.b64decode("".join(block[2].split()) if block else "", validate=True))
    except ValueError as error:
        raise ValueError(
            "is not a certificate request (PKCS #10, RFC 2986) in PEM; create one, such as with openssl req -new"
        ) from error
    request.require_supported()
    return request


def pem_of(request: CertificationRequest) -> str:
    """Return a request as PEM, without any text around it."""
    text = base64.b64encode(request.encoded).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join(["-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""])


def public_key_of(text: str) -> PublicKey:
    """Return the public key of a CSR that was accepted before; raise ValueError."""
    key = _public_key(load(text))
    if key is None:
        raise ValueError(_UNSUPPORTED_KEY)
    return key


def proven_key(request: CertificationRequest) -> tuple[PublicKey, KeyAlgorithm]:
    """Return public key and algorithm after the signature proved possession of the private key.

    Raises ValueError for unsupported or weak keys, and weak or invalid signatures.
    """
    if (numbers := request.rsa_key) is not None and (weakness := rsa_weakness(*numbers)):
        raise ValueError(weakness)
    public_key = _public_key(request)
    algorithm = algorithm_of(public_key)
    if public_key is None or algorithm is None:
        raise ValueError(_UNSUPPORTED_KEY)
    if (kind := _SIGNATURES.get(request.signature_algorithm)) is None:
        raise ValueError("unsupported signature: use SHA-256, SHA-384 or SHA-512, such as with openssl req -sha256")
    try:
        _verify(public_key, request, *kind)
    except (ValueError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise ValueError("invalid signature: the CSR was changed after signing, or signed with another key") from error
    return public_key, algorithm


def _public_key(request: CertificationRequest) -> PublicKey | None:
    try:
        key = serialization.load_der_public_key(request.public_key_info)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, PublicKey) else None


def _verify(key: PublicKey, request: CertificationRequest, signs: str, digest: hashes.HashAlgorithm | None) -> None:
    """Verify the signature; raise InvalidSignature, also if the algorithm is another key type's."""
    match key:
        case rsa.RSAPublicKey() if signs == "RSA" and digest is not None:
            key.verify(request.signature, request.signed_part, padding.PKCS1v15(), digest)
        case rsa.RSAPublicKey() if signs == "PSS":
            _verify_pss(key, request)
        case ec.EllipticCurvePublicKey() if signs == "EC" and digest is not None:
            key.verify(request.signature, request.signed_part, ec.ECDSA(digest))
        case ed25519.Ed25519PublicKey() if signs == "Ed25519":
            key.verify(request.signature, request.signed_part)
        case _:
            raise InvalidSignature


def _verify_pss(key: rsa.RSAPublicKey, request: CertificationRequest) -> None:
    """Verify an RSASSA-PSS signature (RFC 4055 §3.1) of a plain RSA key, by each supported hash."""
    for digest in _DIGESTS:
        with suppress(InvalidSignature):
            scheme = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
            key.verify(request.signature, request.signed_part, scheme, digest)
            return
    raise InvalidSignature


def attribute_notes(fields: CertificationRequest) -> Iterator[str]:
    """Yield a note for the attributes that no certificate has; the challenge password is never quoted."""
    if CHALLENGE_PASSWORD in fields.attributes:
        yield (
            "its challenge password (RFC 2985 §5.4.1) is ignored: every reader of the CSR can see it; do not use it"
            " elsewhere"
        )


def listed(kinds: tuple[str, ...]) -> str:
    """Return the names of object identifiers for a note."""
    more = "" if len(kinds) <= _MOST_NAMED else f" and {len(kinds) - _MOST_NAMED} more"
    return printable(", ".join(map(name_of, kinds[:_MOST_NAMED])), 300) + more


def _notes(fields: CertificationRequest, subject: Subject, extensions: RequestedExtensions) -> Iterator[str]:
    yield from attribute_notes(fields)
    sent_on = "sent to the issuer, which decides on it; evercert does not check it in the answer"
    several = [field for field, values in subject.values.items() if len(values) > 1 and field not in _MANY]
    for field in several:
        yield f"its subject has {len(subject.values[field])} values of {field.replace('_', '-')}: {sent_on}"
    if subject.others:
        yield f"its subject has {listed(subject.others)}: {sent_on}"
    if subject.empty:
        yield f"its subject has an empty {', '.join(subject.empty).replace('_', '-')}: ignored"
    if subject.multi_valued:
        yield f"its subject has a multi-valued RDN (RFC 5280 §4.1.2.4): {sent_on}"
    if extensions.others:
        yield f"it requests the extension {listed(extensions.others)}: {sent_on}"


def _subject(subject: Subject) -> dict[str, Any]:
    if len(names := subject.values.get("common_name", ())) > 1:
        raise ValueError(f"its subject has {len(names)} values of common-name; create a CSR with one")
    return {
        field.replace("_", "-"): values if field in _MANY else values[0]
        for field, values in subject.values.items()
        if len(values) == 1 or field in _MANY
    }


def _extensions(extensions: RequestedExtensions) -> dict[str, Any]:
    if extensions.basic_constraints is not None and extensions.basic_constraints[0]:
        raise ValueError("it requests a CA certificate, which evercert does not issue; remove CA:TRUE from the CSR")
    if {KEY_CERT_SIGN, CRL_SIGN} & (extensions.key_usage or frozenset()):
        raise ValueError(
            "it requests a CA's key usages (keyCertSign, cRLSign), which evercert does not issue; remove them from the"
            " CSR"
        )
    if strange := extensions.unknown_purposes:
        raise ValueError(
            f"it requests the purpose {name_of(strange[0])}, which evercert does not support; remove it from the CSR"
        )
    found: dict[str, Any] = {}
    if extensions.names is not None:
        found["alt-names"] = list(map(str, extensions.names))
    if extensions.key_usage is not None:
        found["key-usages"] = list(extensions.key_usages)
    if extensions.purposes is not None:
        found["extended-key-usages"] = list(extensions.extended_key_usages)
    return found

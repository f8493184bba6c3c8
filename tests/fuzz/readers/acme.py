"""Readers of ACME: answers of a CA, signed requests, keys, bindings, headers, and the stored progress of an order."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert import json_parser
from evercert.acme import base64url, external_account, jws, links, renewal_info, times
from evercert.acme.challenges import is_token
from evercert.acme.jwk import from_jwk, thumbprint, to_jwk
from evercert.acme.problem import Problem
from evercert.acme.resources import Authorization, Directory, Order
from evercert.errors import EvercertError
from evercert.issuers.acme.progress import PresentedChallenge, Progress
from evercert.pki.certificate import load
from evercert.pki.keys import PrivateKey
from evercert.solvers.context import RegisteredSolvers, SolverContext
from tests.fuzz.changes import changed_tree, mutated_text
from tests.fuzz.reader import Reader
from tests.fuzz.readers.certificates import chain, der_of, pem_of
from tests.samples import acme
from tests.samples.certificates import private_key
from tests.samples.chains import issue

TYPED = (ValueError,)  # of the wire objects: their callers handle no other error
MAC_KEY, URL = b"key of the CA", "https://acme.example/new-account"
KEYS = ("EC_prime256v1", "EC_secp384r1", "Ed25519", "RSA_2048")


def _json(name: str, read: Callable[[Any], object], *samples: object, cost: int = 1) -> Reader:
    """Return a reader of JSON: each input is written and parsed, as an answer of a server is."""

    def read_text(tree: object) -> None:
        read(json_parser.parse(json.dumps(tree)))

    return Reader(name, lambda: list(samples), read_text, changed_tree, TYPED, cost)


def _text(name: str, read: Callable[[str], object], *samples: str) -> Reader:
    return Reader(name, lambda: list(samples), read, mutated_text, TYPED)


# -- answers of a CA --------------------------------------------------------------------------------------------------
def failed_order() -> dict[str, Any]:
    return {**acme.order(), "status": "invalid", "error": acme.problem()}


def failed_authorization() -> dict[str, Any]:
    challenge = {**acme.challenge(), "status": "invalid", "error": acme.problem()}
    return {**acme.authorization(), "status": "invalid", "challenges": [challenge]}


def read_directory(body: Any) -> None:
    """Read a directory; its texts are shown to operators."""
    found = Directory.of(body)
    urls = [found.new_nonce, found.new_account, found.new_order, found.revoke_certificate, found.key_change]
    shown = [*urls, found.renewal_info, found.terms_of_service, *found.profiles, *found.profiles.values()]
    assert all(text.isprintable() for text in shown if text is not None)


def read_order(body: Any) -> None:
    """Read an order."""
    found = Order.of(body)
    assert all(url.isprintable() for url in (found.status, found.finalize, *found.authorizations))
    assert found.error is None or str(found.error).isprintable()


def read_authorization(body: Any) -> None:
    """Read an authorization and its challenges."""
    found = Authorization.of(body)
    assert all(text.isprintable() for text in (found.kind, found.name, found.status, str(found.problem)))
    for challenge in found.challenges:
        assert challenge.type.isprintable()
        assert not is_token(challenge.token) or str(challenge.token).isascii()


def read_problem(body: Any) -> None:
    """Read a problem, which never raises an error: it is read while one is handled."""
    try:
        found = Problem.of(body, 400)
    except ValueError as error:
        raise AssertionError(f"a problem raised {error}") from error
    if found is not None:
        assert str(found).isprintable()
        assert all(kind.isprintable() for kind in found.kinds)


def read_problem_body(data: bytes) -> None:
    """Read the body of a refusal, which a proxy may have written."""
    found = Problem.parse(data, 502)
    assert found is None or str(found).isprintable()


def read_certificate_id(data: bytes) -> None:
    """Return the id of a certificate that a CA issued."""
    certificate = load(pem_of(data))
    try:
        found = renewal_info.certificate_id(certificate)
    except ValueError as error:
        raise AssertionError(f"a certificate id raised {error}") from error
    if found is not None:
        key_id, _, serial = found.partition(".")
        assert base64url.decode(key_id)
        assert int.from_bytes(base64url.decode(serial), signed=True) == certificate.serial_number


@cache
def certificates() -> list[bytes]:
    """Return certificates with the usual fields, a negative serial number, and a name that `cryptography` refuses."""
    example = x509.load_pem_x509_certificate(acme.RENEWAL_CERTIFICATE.encode()).public_bytes(Encoding.DER)
    negative = example.replace(bytes.fromhex("02050087654321"), bytes.fromhex("0205F087654321"))
    address = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex("3004a3023000"))
    unusual = issue("Leaf", chain()[1], ca=None, extensions=[(address, False)])
    return [der_of(chain()[2]), example, negative, der_of(unusual)]


# -- signed requests --------------------------------------------------------------------------------------------------
@cache
def signer(algorithm: str) -> PrivateKey:
    return PrivateKey(private_key(algorithm))


@cache
def signed() -> dict[str, str]:
    """Return a signed request by each key, as text, with the name of its key."""
    header = {"nonce": "n", "url": URL, "kid": "https://acme.example/acct/1"}
    return {jws.sign(b'{"a": [1, 2]}', header, signer(name)).decode(): name for name in KEYS}


def read_jws(text: str) -> None:
    """Verify a request with each key; a changed one verifies only if its signed part is unchanged."""
    message = jws.parse(text)
    valid = {jws.parse(sample).signing_input for sample in signed()}
    for name in KEYS:
        try:
            jws.verify(message, signer(name).public_key)
        except ValueError:
            continue
        assert message.signing_input in valid, text


def read_header(tree: Any) -> None:
    """Verify a request with any header and payload, and a correct signature."""
    header = tree.get("header") if isinstance(tree, dict) else None
    if not isinstance(header, dict):
        return
    payload = json.dumps(tree.get("payload")).encode()
    message = jws.parse(jws.sign(payload, header, signer("EC_prime256v1")))
    jws.verify(message, signer("EC_prime256v1").public_key)
    assert message.protected["alg"] == "ES256"
    assert message.payload == payload
    assert not {"crit", "b64"} & set(message.protected)


def read_jwk(tree: Any) -> None:
    """Read a key, and verify signatures with it."""
    key = from_jwk(tree if isinstance(tree, dict) else {})
    written = to_jwk(key)
    assert to_jwk(from_jwk(written)) == written
    assert len(thumbprint(written)) == len(acme.THUMBPRINT)
    for sample in signed():
        message = jws.parse(sample)
        algorithm = jws.algorithm_of(key)
        if message.protected["alg"] == algorithm:
            jws.verify(message, key)


def jwks() -> list[dict[str, str]]:
    return [to_jwk(signer(name).public_key) for name in KEYS]


# -- external accounts ------------------------------------------------------------------------------------------------
def bindings() -> list[dict[str, str]]:
    return [external_account.bind(key, "kid-1", MAC_KEY, URL) for key in jwks()]


def read_binding(tree: Any) -> None:
    """Verify a binding whose MAC is as sent."""
    binding = tree if isinstance(tree, dict) else {}
    external_account.key_id_of(binding)
    external_account.verify(binding, jwks()[0], MAC_KEY, URL)


def bound() -> dict[str, Any]:
    return {"header": {"alg": "HS256", "kid": "kid-1", "url": URL}, "payload": jwks()[0]}


def read_bound(tree: Any) -> None:
    """Verify a binding with any header and payload, and a correct MAC."""
    parts = tree if isinstance(tree, dict) else {}
    header = parts.get("header")
    binding = jws.flattened(
        json.dumps(parts.get("payload")).encode(),
        header if isinstance(header, dict) else {},
        lambda data: hmac.new(MAC_KEY, data, hashlib.sha256).digest(),
    )
    external_account.verify(binding, jwks()[0], MAC_KEY, URL)
    assert isinstance(header, dict)
    assert header["url"] == URL
    assert "nonce" not in header


# -- texts ------------------------------------------------------------------------------------------------------------
def read_base64url(text: str) -> None:
    """Decode a text; what is accepted is the only text of its value."""
    assert base64url.encode(base64url.decode(text)) == text


def read_links(text: str) -> None:
    """Read a Link header."""
    for relation in ("alternate", "up"):
        assert all(f"<{target}>" in text for target in links.links(text, relation))


def read_time(text: str) -> None:
    """Read a timestamp; what is accepted can be written and read again."""
    found = times.parse(text)
    assert times.parse(found.isoformat()) == found


# -- solvers ----------------------------------------------------------------------------------------------------------
def read_solver(tree: Any) -> None:
    """Open a solver of a stored challenge, with the settings that an issuer's definition or its progress has."""
    settings = dict(tree) if isinstance(tree, dict) else {}
    kind = settings.pop("type", None)
    solver = RegisteredSolvers(SolverContext()).open(kind, settings)
    assert solver.challenge_type in ("http-01", "dns-01")


# -- stored progress --------------------------------------------------------------------------------------------------
def progress() -> dict[str, Any]:
    entry = PresentedChallenge(
        f"{acme.CA}chall/1", "example.org", True, acme.TOKEN, "2026-01-20T14:09:07.000Z", '{"type":"http-01"}'
    )
    found = Progress(f"{acme.CA}order/1", {"a1b2c3d4e5f6": entry}, ("b1b2c3d4e5f6",), 3, 1)
    return json.loads(found.text)  # type: ignore[no-any-return]


def read_progress(tree: Any) -> None:
    """Read the progress of an order, which an operator may have edited."""
    found = Progress.parse(json.dumps(tree))
    _ = (found.polled(), found.restarted(), [entry.expires_at for entry in found.presented.values()])
    assert Progress.parse(found.text) == found


HEADER = {"header": {"alg": "ES256", "nonce": "n", "url": URL, "kid": "1"}, "payload": {"csr": "AQ"}}
LINK = '<https://acme.example/directory>;rel="index", </cert/2> ; title="a, b" ; rel="alternate up"'

READERS = [
    _json("ACME directory", read_directory, acme.directory()),
    _json("ACME order", read_order, acme.order(), failed_order()),
    _json("ACME authorization", read_authorization, acme.authorization(), failed_authorization()),
    _json("ACME problem", read_problem, acme.problem()),
    Reader("body of an ACME problem", lambda: [json.dumps(acme.problem()).encode(), b"<html>"], read_problem_body, typed=()),
    _json("renewal window", renewal_info.RenewalWindow.of, acme.renewal_info()),
    Reader("certificate id", certificates, read_certificate_id, typed=TYPED),
    Reader("JWS", lambda: list(signed()), read_jws, mutated_text, TYPED, cost=2),
    _json("header of a JWS", read_header, HEADER, cost=2),
    Reader("JWK", lambda: [*jwks(), acme.THUMBPRINT_KEY], read_jwk, changed_tree, TYPED, cost=2),
    Reader("external account binding", bindings, read_binding, changed_tree, TYPED),
    Reader("signed binding", lambda: [bound()], read_bound, changed_tree, TYPED),
    _text("MAC key", external_account.decode_mac_key, "AQIDBA", "+/8=", "  _-8\n"),
    _text("base64url", read_base64url, "AQIDBA", "_-8", ""),
    _text("Link header", read_links, LINK, "<https://acme.example/cert/1>;rel=alternate"),
    _text("ACME time", read_time, "2026-01-20T14:09:07.99Z", "2026-01-20T14:09:07.123456789+02:00"),
    Reader("solver", lambda: [{"type": "http-01"}], read_solver, changed_tree),
    Reader("stored ACME progress", lambda: [progress(), json.loads(Progress().text)], read_progress, changed_tree, (EvercertError,)),
]  # fmt: skip

"""Cost of the authority: processor time of one certificate, and certificates per second.

The time of KMS is measured and subtracted: the double of KMS signs with real keys in this process.
"""

from __future__ import annotations

import gc
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from evercert.authority.ca.builder import IssuerURLs
from evercert.authority.ca.definition import CA
from evercert.authority.ca.signing_orders import LeafOrder
from tests.bench import authority_peer
from tests.bench.figures import Figure, Part, table
from tests.bench.logs import silence
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.ceremony import csr, leaf
from tests.doubles.authority.server import CONTEXT, entry_point, event_of
from tests.samples.certificates import private_key

ROUNDS, EACH = 15, 40
CALL = 1.5
FAMILIES = ("EC_prime256v1", "RSA_2048")
ISSUING_RSA = "RSA_3072"  # as `evercert authority init` creates it; the other CA has a P-256 key


class Timed:
    """KMS double that measures its own time."""

    def __init__(self, kms: Any) -> None:
        self._kms = kms
        self.seconds = 0.0

    def sign(self, **given: Any) -> Any:
        began = time.process_time()
        try:
            return self._kms.sign(**given)
        finally:
            self.seconds += time.process_time() - began

    def get_public_key(self, **given: Any) -> Any:
        return self._kms.get_public_key(**given)


def measure() -> Part:
    part = Part()
    rows = []
    for algorithm in FAMILIES:
        setting = Setting(rsa=ISSUING_RSA)
        timed = Timed(setting.kms)
        setting.signing._keys._client = timed
        bare, least, signer, api = _rounds(setting, timed, algorithm)
        part.figures += [
            _ratio(f"one {algorithm} certificate, from HTTP event to answer, without KMS", bare, api, CALL),
            _ratio(f"the signer alone, {algorithm}, without KMS", bare, signer),
            _ratio(f"that script with the CSR checked twice, {algorithm}", bare, least),
            Figure(f"{algorithm} certificates per second of one worker, without KMS", f"{1 / median(api):.0f}"),
        ]
        rows.append((algorithm, *(f"{1000 * median(seen):.2f} ms" for seen in (bare, signer, api))))
    part.lines += table(("key", "in memory", "signer without KMS", "whole call without KMS"), rows)
    authority_peer.measure(part)
    return part


def _ratio(what: str, bare: list[float], ours: list[float], limit: float | None = None) -> Figure:
    """Return the ratio of processor times, round by round."""
    ratio = median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    name = f"processor time of {what} ÷ that of `cryptography` alone, with the CA's key in memory"
    return Figure(
        name, f"{ratio:.2f}", "none" if limit is None else f"≤ {limit}", None if limit is None else ratio <= limit
    )


def _rounds(setting: Setting, timed: Timed, algorithm: str) -> tuple[list[float], ...]:
    """Return seconds of processor time per certificate and round; all candidates take turns."""
    ca = setting.cas["EC-issuing" if algorithm.startswith("EC") else "RSA-issuing"]
    request = csr(private_key(algorithm))
    order = LeafOrder("order", ca.id, "shop/tls-server", leaf(setting.clock()), request)
    script, call = _script(setting, ca, order), api_call(setting, request)
    _require_same(script(), setting.signing.leaf(order))
    least = _least(script, request)
    bare, bound, signer, api = [], [], [], []
    for turn in range(ROUNDS + 1):
        # These doubles keep all data between calls; a Lambda function keeps none.
        gc.collect()
        gc.freeze()
        one_bare, one_least = _each(script), _each(least)
        timed.seconds = 0.0
        one_signer = _each(lambda: setting.signing.leaf(replace(order, id=str(uuid.uuid4())))) - timed.seconds / EACH
        timed.seconds = 0.0
        one_api = _each(call) - timed.seconds / EACH
        if turn:
            bare.append(one_bare)
            bound.append(one_least)
            signer.append(one_signer)
            api.append(one_api)
    return bare, bound, signer, api


def _each(act: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(EACH):
        act()
    return (time.process_time() - began) / EACH


def _script(setting: Setting, ca: CA, order: LeafOrder) -> Callable[[], bytes]:
    """Issue the same certificate with the CA's key and prepared values."""
    key, issuer = setting.kms.keys[ca.key][1], ca.current.x509
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    places = IssuerURLs.of(setting.address, ca.id, ca.current.id)
    begins, ends = (moment.replace(microsecond=0) for moment in (order.leaf.not_before, order.leaf.not_after))

    def issue() -> bytes:
        request = x509.load_pem_x509_csr(order.csr.encode())
        if not request.is_signature_valid:
            raise ValueError("the CSR's signature is not valid")
        public_key = request.public_key()
        crl = x509.DistributionPoint([x509.UniformResourceIdentifier(str(places.crl))], None, None, None)
        above = x509.UniformResourceIdentifier(str(places.issuer))
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, above)
        own = x509.SubjectKeyIdentifier.from_public_key(public_key)
        signing = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        no = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        signed = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")]))
            .issuer_name(issuer.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(own, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, **no), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("www.example.com")]), critical=False)
            .add_extension(signing, critical=False)
            .add_extension(x509.CRLDistributionPoints([crl]), critical=False)
            .add_extension(x509.AuthorityInformationAccess([access]), critical=False)
            .sign(key, hashes.SHA256())
        )
        return signed.public_bytes(serialization.Encoding.DER)

    return issue


def _least(script: Callable[[], bytes], request: str) -> Callable[[], object]:
    """Do the minimum that two processes need: a lower bound of the figures."""

    def run() -> object:
        if not x509.load_pem_x509_csr(request.encode()).is_signature_valid:
            raise ValueError("the CSR's signature is not valid")
        return script()

    return run


def _require_same(one: bytes, other: bytes) -> None:
    """Check that both certificates are equal except for serial number and signature."""
    said = [
        (found.subject, found.issuer, found.not_valid_before_utc, found.not_valid_after_utc, list(found.extensions))
        for found in map(x509.load_der_x509_certificate, (one, other))
    ]
    if said[0] != said[1]:
        raise AssertionError("script and signer do not issue the same certificate")


def api_call(setting: Setting, request: str) -> Callable[[], object]:
    """Return a function that handles one issuance, from the event of API Gateway to the response."""
    profile = setting.profile()
    identity, _ = setting.identity()
    module = entry_point(setting.front)
    silence()
    headers = {"Authorization": f"Bearer {setting.token(identity)}", "Content-Type": "application/json"}
    attributes = {
        "commonName": "www.example.com",
        "altNames": [{"type": "dns_name", "value": "www.example.com"}],
        "ttl": "90d",
    }
    body = json.dumps({"profileId": profile.id, "csr": request, "attributes": attributes}).encode()

    def call() -> object:
        event = event_of("POST", "/api/v1/cert-manager/certificates", headers, body)
        answer = module.handler(event, CONTEXT)
        if answer["statusCode"] != 200:
            raise RuntimeError(answer["body"])
        return answer

    return call

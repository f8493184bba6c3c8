"""What the authority costs: processor time of one certificate, certificates per second, and its cold start.

KMS's part is taken away by its own clock: the double signs with real keys in this very process.
"""

from __future__ import annotations

import io
import json
import logging
import time
import uuid
from collections.abc import Callable
from statistics import median
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from evercert.authority.orders import LeafOrder
from tests.authority.ceremony import csr, leaf
from tests.authority.server import CONTEXT, entry_point, event_of
from tests.authority.setting import Setting
from tests.bench.figures import Figure, Part, table
from tests.certificates import private_key

ROUNDS, EACH = 15, 40
CALL = 1.5
ISSUING_RSA = "RSA_3072"  # as `evercert authority init` makes it; the other one is on P-256
FAMILIES = ("EC_prime256v1", "RSA_2048")


class Nowhere(io.StringIO):
    """Whose pipe a line goes to, and how busy it is, is nothing of ours."""

    def write(self, text: str) -> int:
        return len(text)


class Timed:
    """A KMS double whose time is counted apart."""

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
        bare, signer, api = _rounds(setting, timed, algorithm)
        part.figures += [
            _ratio(
                f"one {algorithm} certificate, from HTTP event to answer, without KMS", bare, api, f"≤ {CALL}", CALL
            ),
            _ratio(f"the signer alone, {algorithm}, without KMS", bare, signer, "none", None),
            Figure(f"{algorithm} certificates per second of one worker, without KMS", f"{1 / median(api):.0f}"),
        ]
        rows.append((algorithm, *(f"{1000 * median(seen):.2f} ms" for seen in (bare, signer, api))))
    part.lines += table(("key", "in memory", "signer without KMS", "whole call without KMS"), rows)
    return part


def _ratio(what: str, bare: list[float], ours: list[float], target: str, limit: float | None) -> Figure:
    """Of processor time, round by round."""
    ratio = median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    name = f"processor time of {what} ÷ that of `cryptography` alone, with the CA's key in memory"
    return Figure(name, f"{ratio:.2f}", target, None if limit is None else ratio <= limit)


def _rounds(setting: Setting, timed: Timed, algorithm: str) -> tuple[list[float], list[float], list[float]]:
    """Seconds of processor time for one certificate, in each round; one round after the other, side by side."""
    ca = setting.cas["EC-issuing" if algorithm.startswith("EC") else "RSA-issuing"]
    key = setting.kms.keys[ca.key][1]
    request = csr(private_key(algorithm))
    certificate = setting.signing.leaf(_order(setting, ca.id, request))
    same = x509.load_der_x509_certificate(certificate)
    call = _api_call(setting, request)
    bare, signer, api = [], [], []
    for turn in range(ROUNDS + 1):
        one_bare = _each(lambda: _in_memory(same, key, request))
        timed.seconds = 0.0
        one_signer = _each(lambda: setting.signing.leaf(_order(setting, ca.id, request))) - timed.seconds / EACH
        timed.seconds = 0.0
        one_api = _each(call) - timed.seconds / EACH
        if turn:
            bare.append(one_bare)
            signer.append(one_signer)
            api.append(one_api)
    return bare, signer, api


def _each(act: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(EACH):
        act()
    return (time.process_time() - began) / EACH


def _order(setting: Setting, ca: str, request: str) -> LeafOrder:
    return LeafOrder(str(uuid.uuid4()), ca, "shop/tls-server", leaf(setting.clock()), request)


def _in_memory(same: x509.Certificate, key: Any, request: str) -> bytes:
    """The same certificate, by a script that has the CA's key."""
    asked = x509.load_pem_x509_csr(request.encode())
    if not asked.is_signature_valid:
        raise ValueError("the CSR's signature is not valid")
    builder = (
        x509.CertificateBuilder()
        .subject_name(same.subject)
        .issuer_name(same.issuer)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(same.not_valid_before_utc)
        .not_valid_after(same.not_valid_after_utc)
    )
    for extension in same.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def _api_call(setting: Setting, request: str) -> Callable[[], object]:
    """One issuance as API Gateway hands it over, from its event to its answer."""
    profile = setting.profile()
    identity, _ = setting.identity()
    module = entry_point(setting.front)
    for handler in logging.getLogger("authority").handlers:  # its line is made, and written nowhere
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(Nowhere())
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

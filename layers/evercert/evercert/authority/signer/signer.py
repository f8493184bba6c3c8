"""The signing service: validates each order independently, records an intent, then signs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.authority.api_errors import Refusal, bad_request
from evercert.authority.ca.builder import Issuer, IssuerURLs, serial_number, sign_leaf
from evercert.authority.ca.ceiling import problems, start_time_problem
from evercert.authority.ca.constrained_names import name_problems
from evercert.authority.ca.crl import find_crl_problems, sign_crl
from evercert.authority.ca.definition import CA
from evercert.authority.ca.kms_key import CAKeys, PublicKey, kms_private_key
from evercert.authority.ca.signing_orders import CrlOrder, Intent, LeafOrder
from evercert.authority.contracts.ports import Configuration, Ledger
from evercert.canonical_json import digest
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.csr_parser import load, proven_key
from evercert.pki.keys import public_bytes
from evercert.schema import printable
from evercert.timestamps import to_text

_SERIALS = 3  # attempts; with 158 random bits a second one is practically never needed
_CAs = Mapping[str, CA | Misconfigured]
_DER = serialization.Encoding.DER


class SigningService:
    """Sign leaves and CRLs. Both are idempotent: a repeated order returns the result in the ledger."""

    def __init__(
        self,
        configuration: Configuration,
        ledger: Ledger,
        keys: CAKeys,
        address: str,
        clock: Callable[[], datetime],
        *,
        serials: Callable[[], int] = serial_number,
    ) -> None:
        self._configuration = configuration
        self._ledger = ledger
        self._keys = keys
        self._address = address
        self._clock = clock
        self._serials = serials

    def leaf(self, order: LeafOrder) -> bytes:
        """Return the signed leaf in DER.

        Raises Refusal for a leaf outside the ceiling, and for an order id that was used for another certificate.
        """
        cas = self._configuration.every_ca()
        ca = _require_issuing_ca(cas, order.ca)
        certificate = self._valid_certificate(ca)
        if not ca.may_sign(self._clock()):
            raise bad_request(f"CA {ca.name} is not active")
        if ca.ceiling is None:
            raise Misconfigured(f"CA {ca.name} has no ceiling, so it cannot sign; set its ceiling")
        public_key, der = _verify_csr(order.csr, cas)
        if found := [
            *problems(order.leaf, public_key, ca.ceiling, certificate),
            *name_problems(order.leaf, ca),
        ]:
            raise _refusal(ca, found)
        intent = self._record_intent(order, der)
        # Compare with the time of the intent, not the current time, so that a later retry gets the same answer.
        if problem := start_time_problem(order.leaf, intent.at):
            raise _refusal(ca, [problem])
        issued = sign_leaf(order.leaf, public_key, intent.serial_number, self._issuer(ca, certificate))
        return self._ledger.conclude(intent, issued.public_bytes(_DER))

    def crl(self, order: CrlOrder) -> bytes:
        """Return the signed CRL in DER; raises Refusal. A disabled CA still signs CRLs."""
        ca = _require_issuing_ca(self._configuration.every_ca(), order.ca)
        certificate = self._valid_certificate(ca)
        if found := find_crl_problems(order, self._clock()):
            raise _refusal(ca, found)
        intent = Intent(
            id=f"crl:{ca.id}:{order.number}",
            ca=ca.id,
            serial_number=order.number,  # CRL numbers are too short to collide with serial numbers of certificates
            order=digest([ca.id, order.number]),
            at=self._clock(),
            says={
                "this_update": to_text(order.this_update),
                "next_update": to_text(order.next_update),
                "revoked": len(order.revoked),
            },
        )
        if (recorded := self._ledger.intend(intent)) is None:
            raise Unavailable(f"CRL {order.number} of CA {ca.name}: number already in use; use the next number")
        signed = sign_crl(order, self._issuer(ca, certificate))
        return self._ledger.conclude(recorded, signed.public_bytes(_DER))

    def _valid_certificate(self, ca: CA) -> x509.Certificate:
        """Return the CA's current certificate; raises Refusal or Misconfigured if it cannot sign."""
        if ca.status == "pending" or not ca.installed:
            raise bad_request(f"CA {ca.name} does not have a certificate installed")
        certificate = ca.current.x509
        if certificate.not_valid_after_utc <= self._clock():
            raise bad_request(f"CA {ca.name} is expired")
        if not isinstance(certificate.public_key(), PublicKey):
            raise Misconfigured(f"CA {ca.name}: unsupported key: must be RSA or EC")
        return certificate

    def _issuer(self, ca: CA, certificate: x509.Certificate) -> Issuer:
        urls = IssuerURLs.of(self._address, ca.id, ca.current.id)
        return Issuer(certificate, urls, kms_private_key(self._keys, ca.key, certificate.public_key()))  # type: ignore[arg-type]

    def _record_intent(self, order: LeafOrder, public_key: bytes) -> Intent:
        """Record an intent with a new serial number, or return the one recorded for this order id.

        Raises Refusal if the id was used for another certificate.
        """
        says = {
            "profile": order.profile,
            "leaf": order.leaf.model_dump_json(by_alias=True),
            "public_key": hashlib.sha256(public_key).hexdigest(),
        }
        order_digest = digest([order.ca, *says.values()])
        for _ in range(_SERIALS):
            intent = Intent(order.id, order.ca, self._serials(), order_digest, self._clock(), says)
            if (recorded := self._ledger.intend(intent)) is not None:
                break
        else:
            raise Unavailable(f"order {order.id}: {_SERIALS} serial numbers in a row were already in use")
        if recorded.order != order_digest:
            raise bad_request(f"order {order.id}: id already used for another certificate")
        return recorded


def _require_issuing_ca(cas: _CAs, ca_id: str) -> CA:
    found = cas.get(ca_id)
    if isinstance(found, Misconfigured):
        raise found
    if found is None:
        raise bad_request(f"unknown CA {printable(ca_id, 60)}")
    if found.kind != "issuing":
        raise bad_request(f"CA {found.name} is a root: only the operator can sign with it")
    return found


def _verify_csr(csr: str, cas: _CAs) -> tuple[PublicKey, bytes]:
    """Return the public key of a CSR, and its DER, after checking the proof of possession; refuse keys of CAs."""
    try:
        public_key, _ = proven_key(load(csr))
    except ValueError as error:
        raise bad_request(f"the CSR {printable(str(error))}") from error
    if not isinstance(public_key, PublicKey):
        raise bad_request("unsupported key of the CSR: must be RSA or EC")
    der = public_bytes(public_key)
    if der in _ca_keys(cas):
        raise bad_request("refused CSR: its key is the key of a CA")
    return public_key, der


def _ca_keys(cas: _CAs) -> Iterator[bytes]:
    """Yield the public keys of all CAs; skip unreadable ones, so that one broken CA does not block the others."""
    for ca in cas.values():
        for one in ca.installed if isinstance(ca, CA) else ():
            yield one.public_key


def _refusal(ca: CA, found: Sequence[str]) -> Refusal:
    return bad_request(f"CA {ca.name} cannot sign the certificate: {'; '.join(found)}")

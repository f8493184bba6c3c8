"""The signer: it trusts nothing that it is told, writes down what it is about to sign, and only then signs it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.authority.api_errors import Refusal, bad_request
from evercert.authority.ca.builder import Issuer, IssuerURLs, serial_number, sign_leaf
from evercert.authority.ca.ceiling import problems, start_time_problem
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

_SERIALS = 3  # tries; of 158 random bits, a second one is never needed
_CAs = Mapping[str, CA | Misconfigured]
_DER = serialization.Encoding.DER


class SigningService:
    """Answers with the result that stands in the ledger, so that both verbs may be repeated."""

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
        """DER; raises Refusal for what is outside the ceiling, and for another certificate under a known id."""
        cas = self._configuration.every_ca()
        ca = _issuing(cas, order.ca)
        certificate = self._living(ca)
        if ca.status != "active":
            raise bad_request(f"CA {ca.name} is not active")
        if ca.ceiling is None:
            raise Misconfigured(f"CA {ca.name} has no ceiling, so it signs nothing; its operator sets one")
        public_key, der = _proven(order.csr, cas)
        if found := problems(order.leaf, public_key, ca.ceiling, certificate):
            raise _outside(ca, found)
        intent = self._intend(order, der)
        # Its own time, and not ours: what stands already is answered later too.
        if late := start_time_problem(order.leaf, intent.at):
            raise _outside(ca, [late])
        issued = sign_leaf(order.leaf, public_key, intent.serial_number, self._issuer(ca, certificate))
        return self._ledger.conclude(intent, issued.public_bytes(_DER))

    def crl(self, order: CrlOrder) -> bytes:
        """DER; of a disabled CA too, whose certificates go on being revoked. Raises Refusal."""
        ca = _issuing(self._configuration.every_ca(), order.ca)
        certificate = self._living(ca)
        if found := find_crl_problems(order, self._clock()):
            raise _outside(ca, found)
        intent = Intent(
            id=f"crl:{ca.id}:{order.number}",
            ca=ca.id,
            serial_number=order.number,  # of lists: no certificate has one as short
            order=digest([ca.id, order.number]),
            at=self._clock(),
            says={
                "this_update": to_text(order.this_update),
                "next_update": to_text(order.next_update),
                "revoked": len(order.revoked),
            },
        )
        if (standing := self._ledger.intend(intent)) is None:
            raise Unavailable(f"CRL {order.number} of CA {ca.name}: its number is taken; take the next one")
        signed = sign_crl(order, self._issuer(ca, certificate))
        return self._ledger.conclude(standing, signed.public_bytes(_DER))

    def _living(self, ca: CA) -> x509.Certificate:
        """The certificate that it signs with now."""
        if ca.status == "pending" or not ca.installed:
            raise bad_request(f"CA {ca.name} does not have a certificate installed")
        try:
            certificate = ca.current.x509
        except ValueError as error:
            raise Misconfigured(f"CA {ca.name}: its certificate cannot be read: {printable(str(error))}") from error
        if certificate.not_valid_after_utc <= self._clock():
            raise bad_request(f"CA {ca.name} is expired")
        if not isinstance(certificate.public_key(), PublicKey):
            raise Misconfigured(f"CA {ca.name}: its key is neither RSA nor EC")
        return certificate

    def _issuer(self, ca: CA, certificate: x509.Certificate) -> Issuer:
        places = IssuerURLs.of(self._address, ca.id, ca.current.id)
        return Issuer(certificate, places, kms_private_key(self._keys, ca.key, certificate.public_key()))  # type: ignore[arg-type]

    def _intend(self, order: LeafOrder, public_key: bytes) -> Intent:
        """The intent that stands under the order's id, with the serial number; raises Refusal if it is for another."""
        says = {
            "profile": order.profile,
            "leaf": order.leaf.model_dump_json(by_alias=True),
            "public_key": hashlib.sha256(public_key).hexdigest(),
        }
        asked = digest([order.ca, *says.values()])
        for _ in range(_SERIALS):
            intent = Intent(order.id, order.ca, self._serials(), asked, self._clock(), says)
            if (standing := self._ledger.intend(intent)) is not None:
                break
        else:
            raise Unavailable(f"order {order.id}: {_SERIALS} serial numbers in a row were taken")
        if standing.order != asked:
            raise bad_request(f"order {order.id}: another certificate was asked for under this id")
        return standing


def _issuing(cas: _CAs, ca_id: str) -> CA:
    found = cas.get(ca_id)
    if isinstance(found, Misconfigured):
        raise found
    if found is None:
        raise bad_request(f"there is no CA {printable(ca_id, 60)}")
    if found.kind != "issuing":
        raise bad_request(f"CA {found.name} is a root; only its operator signs with it")
    return found


def _proven(csr: str, cas: _CAs) -> tuple[PublicKey, bytes]:
    """The public key of a CSR whose signature proves that somebody has the private one, and its DER; never a CA's."""
    try:
        public_key, _ = proven_key(load(csr))
    except ValueError as error:
        raise bad_request(f"the CSR {printable(str(error))}") from error
    if not isinstance(public_key, PublicKey):
        raise bad_request("the CSR is for a key that is neither RSA nor EC: no CA here signs it")
    der = public_bytes(public_key)
    if der in _keys_of(cas):
        raise bad_request("the CSR is for the key of a CA")
    return public_key, der


def _keys_of(cas: _CAs) -> Iterator[bytes]:
    """What cannot be read is in nobody's way: one CA's mistake would be the end of all the others."""
    for ca in cas.values():
        for one in ca.installed if isinstance(ca, CA) else ():
            with suppress(ValueError):
                yield one.public_key


def _outside(ca: CA, found: Sequence[str]) -> Refusal:
    return bad_request(f"CA {ca.name} does not sign it: {'; '.join(found)}")

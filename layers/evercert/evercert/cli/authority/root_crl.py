"""The root's CRL, signed by the operator: no function may use the root's key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.ca.builder import Issuer, IssuerURLs
from evercert.authority.ca.crl import BACKDATED, find_crl_problems, parse, parse_entry, sign_crl
from evercert.authority.ca.definition import CA
from evercert.authority.ca.kms_key import kms_private_key
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.cli.authority.ceremony import ROOT, CeremonyContext, public_key
from evercert.cli.files import BadInput
from evercert.errors import Misconfigured, Rejected

VALIDITY = timedelta(days=365)
RENEWED = timedelta(days=180)  # `init` replaces a list that ends earlier


def sign_root_crl(
    context: CeremonyContext, certificates: DynamoDBCertificates, root: CA, revoked: Iterable[Revoked] = ()
) -> x509.CertificateRevocationList:
    """Sign and publish a new list of the root with the entries of the current one and these; raise Rejected."""
    now = context.now.replace(microsecond=0)
    current = current_crl(certificates, root)
    entries = {one.serial_number: one for one in (*revoked, *(map(parse_entry, current or ())))}
    number = certificates.next_crl_number(root.id, at_least=int(now.timestamp()))
    order = CrlOrder(root.id, number, now - BACKDATED, now + VALIDITY, tuple(entries.values()))
    if problems := find_crl_problems(order, now, VALIDITY + BACKDATED):
        raise Rejected(f"cannot sign the CRL of CA {root.name}: {'; '.join(problems)}")
    key = kms_private_key(context.keys, root.key, public_key(context, root))
    crl = sign_crl(order, Issuer(root.current.x509, IssuerURLs(), key))
    certificates.publish(root.id, number, crl.public_bytes(Encoding.DER))
    context.report(f"signed the CRL of CA {root.name}, valid until {order.next_update:%Y-%m-%d}")
    return crl


def renew_root_crl(context: CeremonyContext, certificates: DynamoDBCertificates, *, always: bool) -> None:
    """Sign a new list of the stack's own root if there is none, or if it ends soon."""
    root = context.configuration.ca_named(ROOT)
    if root is None or not root.installed:
        return
    current = current_crl(certificates, root)
    if always or current is None or (current.next_update_utc or context.now) - context.now < RENEWED:
        sign_root_crl(context, certificates, root)


def entries_of(ca: CA, context: CeremonyContext, reason: str | None) -> Sequence[Revoked]:
    """Return an entry for each certificate of an issuing CA."""
    at = context.now.replace(microsecond=0) - BACKDATED  # not later than thisUpdate of the list
    return [Revoked(one.x509.serial_number, at, reason) for one in ca.installed]


def require_unrevoked(ca: CA, root: CA | None, certificates: DynamoDBCertificates) -> None:
    """Raise BadInput if the root's list names a certificate of the CA: its key must not be trusted again."""
    serials = {one.x509.serial_number for one in ca.installed}
    listed = () if root is None else current_crl(certificates, root) or ()
    if entry := next((one for one in map(parse_entry, listed) if one.serial_number in serials), None):
        why = f"CA {ca.name} was revoked on {entry.at:%Y-%m-%d}: clients refuse its certificates"
        raise BadInput([f"{why}; run evercert authority ca replace {ca.name} to create a CA with a new key"])


def current_crl(certificates: DynamoDBCertificates, root: CA) -> x509.CertificateRevocationList | None:
    """Return the published list; None also if it is incomplete, so that a new one replaces it."""
    try:
        der = certificates.published(root.id)
        return None if der is None else parse(der)
    except Misconfigured:
        return None

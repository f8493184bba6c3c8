"""Records of certificates that external issuers issued for requests of the authority."""

from __future__ import annotations

from datetime import datetime

from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.registration.renewal_schedule import renewal_time
from evercert.pki.certificate import Chain, to_pem


def external_record(request: RequestRecord, chain: Chain, reference: str | None, now: datetime) -> CertificateRecord:
    """Return the record of an issued certificate; `reference` names it at the external issuer."""
    leaf, days = chain.leaf, request.renew_before_days
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    others = chain.certificates[1:]
    return CertificateRecord(
        id=request.certificate_id,
        request=request.id,
        identity=request.identity,
        profile=request.profile,
        application=request.application,
        project=request.project,
        ca="",
        external=request.external,
        reference=reference,
        created_at=now,
        updated_at=now,
        serial_number=f"{leaf.serial_number:040x}",
        not_before=begin,
        not_after=end,
        due_at=None if days is None else renewal_time(begin, end, days),
        certificate=to_pem([leaf]),
        chain=to_pem(others) if others else to_pem([leaf]),
        leaf=request.leaf,
        lifetime=request.lifetime,
        csr=request.csr,
        supplied_csr=request.supplied_csr,
        metadata=request.metadata,
        sealed_key=request.sealed_key,
        renews=request.renews,
        spelling=request.spelling,
        renew_before_days=days,
    )

"""Import of certificates that were issued elsewhere: they are in the inventory, and nothing else happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from evercert.authority.api_errors import bad_request, invalid, not_found, permission_denied
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, Profile
from evercert.authority.contracts.inventory import Criteria
from evercert.authority.contracts.issuance_trail import Asked, names_of
from evercert.authority.contracts.ports import Certificates, Configuration, KeySeal
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.infisical_api.lookup import Lookup
from evercert.authority.registration.access import Access
from evercert.authority.registration.recorded_refusals import recorded_refusals
from evercert.authority.requests import certificate_files
from evercert.authority.requests.attribute_fields import Body
from evercert.authority.requests.bodies import to_refusal, uuid_text
from evercert.authority.requests.certificate_files import LONGEST_KEY, CertificateFiles
from evercert.deadline import Clock
from evercert.pki.certificate import to_pem
from evercert.pki.path.fields import Fields
from evercert.pki.path.signatures import signed_by

_DENIED = ("import", "certificates")
_TAKEN = "A certificate with this serial number already exists"
# Of two records of the same certificate with the same values, the second one is a retry.
_IMPORTED_VALUES = ("imported", "identity", "profile", "application", "chain", "friendly_name")
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ImportModel(Body):
    """Body of an import; `project_slug` is sent by clients of the deprecated call."""

    certificate_pem: _Text
    private_key_pem: Annotated[_Text, Field(max_length=LONGEST_KEY)] | None = None
    chain_pem: _Text | None = None
    friendly_name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=255)] | None = None
    pki_collection_id: str | None = None
    application_id: Annotated[str, AfterValidator(uuid_text)] | None = None
    profile_id: Annotated[str, AfterValidator(uuid_text)] | None = None
    project_slug: Annotated[str, Field(max_length=255)] | None = None
    external_metadata: Any = None


@dataclass(frozen=True)
class CertificateImport:
    """Import certificates for identities that administer the profile; idempotent."""

    configuration: Configuration
    certificates: Certificates
    access: Access
    lookup: Lookup
    seal: KeySeal
    clock: Clock

    def add(self, identity: Identity, data: object) -> dict[str, Any]:
        """Import a certificate; raise Refusal if it is unusable, or a certificate of the inventory already."""
        body = _parsed(data)
        application = self._application(body)
        profile = self._profile(identity, body, application)
        asked = Asked(identity.id, "api", profile.id, body.application_id, (), imports=True)
        with recorded_refusals(self.certificates, self.clock, asked) as names:
            files = certificate_files.read(body.certificate_pem, body.chain_pem, body.private_key_pem, self.clock())
            names.extend(names_of(files.leaf))
            _require_supported(body)
            self._require_foreign(files.certificate)
            record = self._stored(self._record(identity, profile, body, files), files)
        found = {
            "certificateId": record.id,
            "certificate": record.certificate.strip(),
            "serialNumber": record.serial_number,
        }
        return found | ({"certificateChain": record.chain.strip()} if record.chain else {})

    def _application(self, body: ImportModel) -> Application | None:
        if body.application_id is None:
            return None
        if (found := self.configuration.application(body.application_id)) is None:
            raise not_found(f"Application with id '{body.application_id}' not found.")
        return found

    def _profile(self, identity: Identity, body: ImportModel, application: Application | None) -> Profile:
        """Return the profile of the body, or the only one that the identity administers.

        The grants on it decide who sees the certificate.
        """
        if body.profile_id is not None:
            profile = self.access.administered(identity, body.profile_id, *_DENIED)
            if not _fits(profile, body, application):
                raise bad_request("This profile is not attached to the specified Application.")
            return profile
        visible = self.access.profiles(identity)
        found = [one for one in visible if identity.may("administer", one.key) and _fits(one, body, application)]
        if not found:
            raise permission_denied(*_DENIED, hint="the permission administer on a profile is missing")
        if len(found) > 1:
            raise invalid([(("profileId",), "Required unless the identity administers exactly one profile")])
        return found[0]

    def _require_foreign(self, certificate: x509.Certificate) -> None:
        """Raise Refusal (400) for a certificate of a CA of this authority.

        Its own record can be absent after an outage or a restore: an imported one in its place could not be revoked.
        """
        if (name := next(self._signers(certificate), None)) is not None:
            raise bad_request(f"CA {name} of this authority signed the certificate: it cannot be imported")

    def _signers(self, certificate: x509.Certificate) -> Iterator[str]:
        issuer = Fields(certificate).issuer
        for ca in self.configuration.cas():
            for one in ca.installed:
                if Fields(one.x509).subject == issuer and signed_by(certificate, one.x509):
                    yield ca.name

    def _stored(self, record: CertificateRecord, files: CertificateFiles) -> CertificateRecord:
        """Store the record, or return the one of an earlier call with the same content; raise Refusal (400)."""
        stored = self.certificates.certificate(files.certificate.fingerprint(hashes.SHA256()).hex())
        if stored is None:
            serial = Criteria(self.clock(), serial_number=record.serial_number.lstrip("0"))
            if self.certificates.search(serial, 100).records:
                raise bad_request(_TAKEN)
            if files.private_key is not None:
                record = replace(record, sealed_key=self.seal.close(files.private_key, record.request))
            stored = self.certificates.add_imported(record)
        same = all(getattr(stored, name) == getattr(record, name) for name in _IMPORTED_VALUES)
        if not same or (stored.sealed_key is None) != (files.private_key is None):
            raise bad_request(_TAKEN)
        return stored

    def _record(
        self, identity: Identity, profile: Profile, body: ImportModel, files: CertificateFiles
    ) -> CertificateRecord:
        """Return the record without its key.

        Its id depends on the certificate: a retry after a crash writes the same items.
        """
        leaf, now = files.certificate, self.clock()
        name = str(uuid5(NAMESPACE_URL, f"evercert:imported:{leaf.fingerprint(hashes.SHA256()).hex()}"))
        return CertificateRecord(
            id=name,
            request=name,
            identity=identity.id,
            profile=profile.id,
            application=body.application_id,
            project=self.lookup.project_id(profile),
            ca="",
            created_at=now,
            updated_at=now,
            serial_number=f"{leaf.serial_number:040x}",
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            certificate=to_pem([leaf]),
            chain=to_pem(files.chain),
            leaf=files.leaf,
            lifetime=int((leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds()),
            csr="",
            spelling=files.spelling,
            imported=True,
            friendly_name=body.friendly_name or "",
        )


def _fits(profile: Profile, body: ImportModel, application: Application | None) -> bool:
    """Return whether the profile is in the project and attached to the application of the body."""
    attached = application is None or (application.project == profile.project and profile.slug in application.profiles)
    return attached and body.project_slug in (None, profile.project)


def _parsed(data: object) -> ImportModel:
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    try:
        return ImportModel.model_validate(data)
    except ValidationError as error:
        raise to_refusal(error) from None


def _require_supported(body: ImportModel) -> None:
    """Raise Refusal for fields that the authority cannot follow."""
    if body.pki_collection_id:
        raise not_found("PKI collection not found")
    if body.external_metadata:
        raise bad_request("externalMetadata: the authority renews and revokes no imported certificates; leave it out")

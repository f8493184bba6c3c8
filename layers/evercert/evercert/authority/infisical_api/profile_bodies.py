"""Response bodies of profiles, with the field names of the Infisical API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from evercert.authority.acme.paths import directory_url
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.configuration.profiles import AcmeOptions, ApiOptions, Profile


def profile_body(
    profile: Profile, project_id: str, policy_id: str, cas: Mapping[str, str], address: str
) -> dict[str, Any]:
    """Return a profile; `cas` has the ids of all CAs by name."""
    ids = [cas[name] for name in profile.cas if name in cas]
    enrollment = profile.enrollment or "api"
    acme = profile.acme_enrollment
    return {
        "id": profile.id,
        "slug": profile.slug,
        "projectId": project_id,
        "description": profile.description or None,
        "enrollmentType": enrollment,
        "issuerType": profile.issuer_type,
        "caId": ids[0] if ids else None,
        "caIds": ids,
        "certificatePolicyId": policy_id,
        "certificateTemplateId": policy_id,
        "apiConfigId": _part_id(profile.id, "api") if enrollment == "api" else None,
        "apiConfig": api_config(profile.api) if enrollment == "api" else None,
        "acmeConfigId": _part_id(profile.id, "acme") if acme is not None else None,
        "acmeConfig": None if acme is None else acme_config(acme, address, profile.id),
        "estConfigId": None,
        "externalConfigs": None,
        "defaults": profile.defaults or None,
        **({} if profile.issuer is None else {"issuer": profile.issuer}),
        **({} if profile.approval is None else {"approvalConfig": _approval_config(profile.approval)}),
    }


def _approval_config(options: ApprovalOptions) -> dict[str, Any]:
    hours = round(options.within / timedelta(hours=1))
    return {"requiredApprovals": options.needed, "deadlineHours": max(hours, 1), "renewals": options.renewals}


def api_config(options: ApiOptions | None) -> dict[str, Any]:
    """Return the settings of API enrollment; without options, there is no automatic renewal."""
    found = options or ApiOptions()
    days = {} if found.renew_before_days is None else {"renewBeforeDays": found.renew_before_days}
    return {"autoRenew": found.auto_renew, **days}


def acme_config(options: AcmeOptions, address: str, profile_id: str) -> dict[str, Any]:
    """Return the settings of ACME enrollment with the URL of the directory."""
    return {
        "directoryUrl": directory_url(address, profile_id),
        "skipDnsOwnershipVerification": options.ownership == "unchecked",
        "skipEabBinding": options.eab == "optional",
    }


def _part_id(owner: str, part: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"evercert:{owner}:{part}"))

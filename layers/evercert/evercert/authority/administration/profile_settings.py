"""Settings of profiles and applications, from the bodies of calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evercert.authority.administration.bodies import (
    AcmeConfigBody,
    ApiConfigBody,
    ApprovalConfigBody,
    ProfileBody,
    validated,
)
from evercert.authority.api_errors import bad_request, invalid
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.configuration.profiles import AcmeOptions, ApiOptions, Profile


def with_settings(profile: Profile, body: ProfileBody, cas: tuple[str, ...] | None) -> Profile:
    """Return the profile with the fields of the body; raise Refusal (400, 422)."""
    _require_offered(body)
    issuer = body.issuer_type or profile.issuer_type
    names = _cas(profile, issuer, body, cas)
    enrollment = body.enrollment_type or profile.enrollment
    _require_fitting_settings(body, enrollment)
    api, acme = _api(profile, body, enrollment), _acme(profile, body, enrollment)
    if issuer == "self-signed" and acme is not None:
        raise bad_request("Self-signed profiles do not support ACME enrollment")
    if issuer == "self-signed" and api is not None and api.auto_renew:
        raise bad_request("Self-signed profiles do not support automatic renewal: set apiConfig.autoRenew to false")
    update: dict[str, Any] = {
        "issuer_type": issuer,
        "cas": names,
        "issuer": _external(profile, issuer, body),
        "api": api,
        "acme": acme,
        "description": body.description_after(profile.description),
    }
    if body.approval_config is not None:
        update["approval"] = _approval(body.approval_config)
    if body.enrollment_type is not None:
        update["enrollment"] = body.enrollment_type
    if body.defaults is not None or body.default_ttl_days is not None or body.clears_defaults:
        update["defaults"] = _defaults(profile, body)
    return profile.model_copy(update=update)


def _cas(profile: Profile, issuer: str, body: ProfileBody, cas: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names of the CAs; raise Refusal (400, 422)."""
    kept = () if issuer != "ca" and body.issuer_type is not None else profile.cas
    names = kept if cas is None else cas
    if issuer == "self-signed" and names:
        raise bad_request("caId must not be given for a self-signed profile")
    if issuer == "external" and names:
        raise bad_request("caId must not be given for an external issuer")
    if issuer == "ca" and not names:
        raise invalid([(("caId",), "Required for the issuer type ca")])
    return names


def _external(profile: Profile, issuer: str, body: ProfileBody) -> str | None:
    """Return the name of the external issuer, None for other types; raise Refusal (400, 422)."""
    if issuer != "external":
        if body.issuer is not None:
            raise bad_request("issuer belongs to the issuer type external")
        return None
    name = body.issuer or profile.issuer
    if name is None:
        raise invalid([(("issuer",), "Required for the issuer type external: the name of an issuer of evercert")])
    return name


def _require_offered(body: ProfileBody) -> None:
    """Raise Refusal (400) for what Infisical offers and this authority does not."""
    if body.enrollment_type in {"est", "scep"}:
        raise bad_request(f"unsupported enrollmentType {body.enrollment_type}: use api or acme")
    if body.est_config is not None or body.scep_config is not None:
        raise bad_request("estConfig and scepConfig are not supported: use apiConfig or acmeConfig")
    if body.external_configs:
        raise bad_request("externalConfigs is not supported: leave it out")


def _require_fitting_settings(body: ProfileBody, enrollment: str | None) -> None:
    """Raise Refusal (400) for settings of an enrollment type that the profile will not have; None serves both."""
    if enrollment == "acme" and body.api_config is not None:
        raise bad_request("apiConfig requires enrollmentType api")
    if enrollment == "api" and body.acme_config is not None:
        raise bad_request("acmeConfig requires enrollmentType acme")


def _approval(body: ApprovalConfigBody) -> ApprovalOptions | None:
    if not body.required_approvals:
        return None
    within = timedelta(hours=body.deadline_hours)
    return ApprovalOptions(needed=body.required_approvals, within=within, renewals=body.renewals)


def _defaults(profile: Profile, body: ProfileBody) -> dict[str, Any]:
    """Return the defaults of the body, or those of the profile with another lifetime; null leaves one or all out."""
    days = {} if body.default_ttl_days is None else {"ttlDays": body.default_ttl_days}
    if body.clears_defaults:
        return days
    if body.defaults is None:
        return {**profile.defaults, **days}
    return {**days, **{key: value for key, value in body.defaults.items() if value is not None}}


def _api(profile: Profile, body: ProfileBody, enrollment: str | None) -> ApiOptions | None:
    if enrollment == "acme":
        return None
    return profile.api if body.api_config is None else api_options(body.api_config)


def api_options(body: ApiConfigBody) -> ApiOptions:
    """Return the settings of API enrollment; raise Refusal (400) for automatic renewal without days."""
    if body.auto_renew and body.renew_before_days is None:
        raise bad_request("renewBeforeDays is required with autoRenew: from 1 to 30")
    return ApiOptions.model_validate({"auto-renew": body.auto_renew, "renew-before-days": body.renew_before_days})


def _acme(profile: Profile, body: ProfileBody, enrollment: str | None) -> AcmeOptions | None:
    if enrollment == "api":
        return None
    if body.enrollment_type is None and body.acme_config is None:
        return profile.acme
    return acme_options(profile.acme or AcmeOptions(), body.acme_config or AcmeConfigBody())


def acme_options(options: AcmeOptions, body: AcmeConfigBody) -> AcmeOptions:
    """Return the options with the checks of the body; raise Refusal (400) if clients could skip both."""
    changes = {}
    if body.skip_dns_ownership_verification is not None:
        changes["ownership"] = "unchecked" if body.skip_dns_ownership_verification else "checked"
    if body.skip_eab_binding is not None:
        changes["eab"] = "optional" if body.skip_eab_binding else "required"
    merged = {**options.model_dump(mode="json", by_alias=True), **changes}
    if (merged["eab"], merged["ownership"]) == ("optional", "unchecked"):
        raise bad_request("skipDnsOwnershipVerification and skipEabBinding cannot be used together")
    return validated(lambda: AcmeOptions.model_validate(merged))

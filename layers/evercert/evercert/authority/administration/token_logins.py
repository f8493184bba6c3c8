"""Logins with tokens, from the bodies of calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from cryptography import x509

from evercert.authority.administration.login_bodies import TokenBody
from evercert.authority.administration.token_login_answers import MODES
from evercert.authority.administration.token_login_bodies import (
    AzureAuthBody,
    GcpAuthBody,
    JwtAuthBody,
    KubernetesAuthBody,
    OidcAuthBody,
)
from evercert.authority.api_errors import bad_request, invalid
from evercert.authority.configuration.token_logins import (
    AzureLogin,
    Bounds,
    GcpLogin,
    JwtLogin,
    KubernetesLogin,
    OidcLogin,
    TokenLogin,
    login_problem,
)
from evercert.authority.logins.key_sets import read_public_key
from evercert.errors import Misconfigured
from evercert.origins import Origin, path_of

_TENANT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
T = TypeVar("T", bound=TokenLogin)


def changed_login(login: TokenLogin | None, body: TokenBody, address: str) -> TokenLogin:
    """Return the login with the given settings; raise Refusal (400, 422).

    `address` is that of the authority: the audience of tokens for a login without `boundAudiences`.
    """
    match body:
        case KubernetesAuthBody():
            return _kubernetes(cast("KubernetesLogin | None", login), body)
        case OidcAuthBody():
            return _oidc(cast("OidcLogin | None", login), body, address)
        case JwtAuthBody():
            return _jwt(cast("JwtLogin | None", login), body, address)
        case AzureAuthBody():
            return _azure(cast("AzureLogin | None", login), body)
        case GcpAuthBody():
            return _gcp(cast("GcpLogin | None", login), body)
    raise TypeError(f"no login has the settings {type(body).__name__}")


def _kubernetes(login: KubernetesLogin | None, body: KubernetesAuthBody) -> KubernetesLogin:
    if body.token_reviewer_jwt:
        raise bad_request(
            "tokenReviewerJwt is not supported: leave it out, and give the service accounts that log in the role"
            " system:auth-delegator; the authority stores no credentials of clusters"
        )
    if body.token_review_mode == "gateway" or body.gateway_id:  # noqa: S105 (a word of the API)
        raise bad_request("gateways are not supported: use tokenReviewMode api or jwks")
    words = {word: mode for mode, word in MODES.items()}
    changed = KubernetesLogin.model_validate(
        {
            "host": _url("kubernetesHost", _given(body.kubernetes_host, login, "host")),
            "mode": words.get(body.token_review_mode or "", login.mode if login else "review"),
            "certificates": _pem("caCert", _given(body.ca_cert, login, "certificates") or ""),
            "namespaces": _list(body.allowed_namespaces, login, "namespaces"),
            "names": _list(body.allowed_names, login, "names"),
            "audience": _given(body.allowed_audience, login, "audience") or "",
        }
    )
    if changed.mode == "jwks" and not changed.audience:
        raise bad_request(
            "allowedAudience is required with tokenReviewMode jwks: it excludes tokens for other services"
        )
    return changed


def _oidc(login: OidcLogin | None, body: OidcAuthBody, address: str) -> OidcLogin:
    url = _url("oidcDiscoveryUrl", _given(body.oidc_discovery_url, login, "discovery_url"))
    if body.claim_metadata_mapping:
        raise bad_request("claimMetadataMapping is not supported: leave it out")
    certificates = _pem("caCert", _given(body.ca_cert, login, "certificates") or "")
    found = {"discovery-url": url, "certificates": certificates, **_bounds(login, body, address)}
    if not found["issuer"]:
        raise invalid([(("boundIssuer",), "Required")])
    return _limited(OidcLogin.model_validate(found))


def _jwt(login: JwtLogin | None, body: JwtAuthBody, address: str) -> JwtLogin:
    kind = body.configuration_type or (None if login is None else "jwks" if login.jwks_url else "static")
    if kind is None:
        raise invalid([(("configurationType",), "Required: jwks or static")])
    found: dict[str, Any] = _bounds(login, body, address)
    if (body.public_keys and kind == "jwks") or (body.jwks_url and kind == "static"):
        raise bad_request(
            f"{'publicKeys' if kind == 'jwks' else 'jwksUrl'} does not fit configurationType {kind}: leave it out"
        )
    if kind == "jwks":
        found["jwks-url"] = _url("jwksUrl", _given(body.jwks_url, login, "jwks_url") or None)
        found["certificates"] = _pem("jwksCaCert", _given(body.jwks_ca_cert, login, "certificates") or "")
    else:
        keys = body.public_keys if body.public_keys is not None else list(login.public_keys if login else ())
        if not keys:
            raise invalid([(("publicKeys",), "Required for configurationType static")])
        for number, key in enumerate(keys):
            _checked(lambda key=key: read_public_key(key), f"publicKeys[{number}]")  # type: ignore[misc]
        found["public-keys"] = keys
    return _limited(JwtLogin.model_validate(found))


def _azure(login: AzureLogin | None, body: AzureAuthBody) -> AzureLogin:
    tenant, resource = _given(body.tenant_id, login, "tenant"), _given(body.resource, login, "resource")
    missing = [name for name, value in (("tenantId", tenant), ("resource", resource)) if not value]
    if missing:
        raise invalid([((name,), "Required") for name in missing])
    tenant = str(tenant).lower()
    if not _TENANT.fullmatch(tenant):
        raise invalid([(("tenantId",), "must be the UUID of the tenant: tokens do not contain its domain")])
    principals = _list(body.allowed_service_principal_ids, login, "principals")
    return _limited(AzureLogin.model_validate({"tenant": tenant, "resource": resource, "principals": principals}))


def _gcp(login: GcpLogin | None, body: GcpAuthBody) -> GcpLogin:
    changed = GcpLogin.model_validate(
        {
            "kind": body.type or (login.kind if login else "gce"),
            "accounts": _list(body.allowed_service_accounts, login, "accounts"),
            "projects": _list(body.allowed_projects, login, "projects"),
            "zones": _list(body.allowed_zones, login, "zones"),
        }
    )
    if changed.kind == "iam" and not changed.accounts:
        raise bad_request("allowedServiceAccounts is required for the type iam: name the service accounts")
    if changed.kind == "iam" and (changed.projects or changed.zones):
        raise bad_request("allowedProjects and allowedZones limit the type gce only: leave them empty")
    return _limited(changed)


def _bounds(login: Bounds | None, body: OidcAuthBody | JwtAuthBody, address: str) -> dict[str, Any]:
    claims = login.claims if login else {}
    if body.bound_claims is not None:
        claims = {name: _split(values) for name, values in body.bound_claims.items()}
        if empty := [name for name, values in claims.items() if not values]:
            raise invalid([(("boundClaims", name), "must have at least one value") for name in empty])
    return {
        "issuer": _given(body.bound_issuer, login, "issuer") or "",
        "subject": _given(body.bound_subject, login, "subject") or "",
        "audiences": _list(body.bound_audiences, login, "audiences") or (address,),
        "claims": claims,
    }


def _limited(login: T) -> T:
    """Return the login; raise Refusal (400) if strangers could log in."""
    if problem := login_problem(login):
        raise bad_request(problem)
    return login


def _given(value: str | None, login: object, name: str) -> str | None:
    """Return the value of the body, or else that of the login; None without both."""
    found: str | None = value.strip() if value is not None else getattr(login, name, None)
    return found


def _list(text: str | None, login: object, name: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(login, name, ()) if text is None else _split(text)
    return found


def _split(text: str) -> tuple[str, ...]:
    """Return the values of a list that is separated by commas."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _url(name: str, value: str | None) -> str:
    """Return the URL of a server; raise Refusal (422)."""
    if not value:
        raise invalid([((name,), "Required")])

    def check() -> None:
        origin = Origin.of(value)
        path_of(value)
        if origin.scheme != "https" and not origin.is_loopback:
            raise ValueError("must begin with https://")

    _checked(check, name)
    return value


def _pem(name: str, value: str) -> str:
    if "PRIVATE KEY" in value:
        raise invalid([((name,), "must not contain a private key: give only the certificates of a CA")])
    try:
        if value:
            x509.load_pem_x509_certificates(value.encode())
    except ValueError:
        raise invalid([((name,), "must be PEM with the certificates of a CA")]) from None
    return value


def _checked(check: Callable[[], object], name: str) -> None:
    try:
        check()
    except (ValueError, Misconfigured) as error:
        raise invalid([((name,), str(error))]) from None

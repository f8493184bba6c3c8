"""Login with a token that another system issued: OIDC, JWT, Azure and Google Cloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from evercert.authority.api_errors import bad_request, not_found, unauthorized
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.token_logins import (
    AzureLogin,
    GcpLogin,
    JwtLogin,
    KubernetesLogin,
    OidcLogin,
    TokenLogin,
    TokenMethod,
    login_problem,
)
from evercert.authority.contracts.ports import Configuration
from evercert.authority.logins.bounds import has_audience, require_bounds
from evercert.authority.logins.json_web_token import Key, ParsedToken, parse, verify
from evercert.authority.logins.key_sets import KeySets, WebDocuments, read_certificates, read_public_key
from evercert.authority.logins.kubernetes import KubernetesAuth
from evercert.errors import Misconfigured
from evercert.schema import printable

GOOGLE = "https://accounts.google.com"
GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
GOOGLE_ACCOUNT_KEYS = "https://www.googleapis.com/service_accounts/v1/metadata/x509/"
AZURE = "https://login.microsoftonline.com"
_ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com")
_WORDS: dict[TokenMethod, tuple[str, str]] = {
    "kubernetes-auth": ("Kubernetes auth method", "Kubernetes auth"),
    "oidc-auth": ("OIDC auth method", "OIDC auth"),
    "jwt-auth": ("JWT auth method", "JWT auth"),
    "azure-auth": ("Azure auth method", "Azure Auth"),
    "gcp-auth": ("GCP auth method", "GCP auth"),
}


class TokenAuth:
    """Verify tokens with the keys of their issuers, then the bounds of the identity's login."""

    def __init__(self, configuration: Configuration, documents: WebDocuments, clock: Callable[[], datetime]) -> None:
        self._configuration = configuration
        self._keys = KeySets(documents, clock)
        self._kubernetes = KubernetesAuth(documents, self._keys, clock)
        self._clock = clock

    def identity(self, method: TokenMethod, identity_id: str, token: str) -> Identity:
        """Return the identity; raise Refusal (404, 401, 403, 400), Unavailable if the issuer does not answer."""
        identity = self._configuration.identity(identity_id)
        login = None if identity is None else identity.token_login(method)
        if identity is None or login is None:
            missing, configure = _WORDS[method]
            raise not_found(f"{missing} not found for identity, did you configure {configure}?")
        if problem := login_problem(login):  # of a login that was stored by other means than the API
            raise bad_request(f"Cannot verify the token: {problem}")
        try:
            self._require(login, identity, token)
        except ValueError as error:
            raise unauthorized(f"Access denied: {error}") from None
        except Misconfigured as error:  # a manager of the project set the address: not an error of the stack
            raise bad_request(f"Cannot verify the token: {error}") from None
        return identity

    def _require(self, login: TokenLogin, identity: Identity, text: str) -> None:
        """Raise Refusal, or ValueError for an invalid token."""
        if isinstance(login, KubernetesLogin):
            self._kubernetes.require(login, text)
            return
        token = parse(text)
        verify(token, self._keys_of(login, token), self._clock())
        match login:
            case OidcLogin():
                require_bounds(login, token.claims, "OIDC")
            case JwtLogin():
                require_bounds(login, token.claims, "token")
            case AzureLogin():
                _require_azure(login, token.claims)
            case GcpLogin():
                _require_gcp(login, identity.id, token.claims)

    def _keys_of(self, login: OidcLogin | JwtLogin | AzureLogin | GcpLogin, token: ParsedToken) -> tuple[Key, ...]:
        match login:
            case OidcLogin():
                return self._keys.discovered(login.discovery_url, login.certificates, token.key_id)
            case JwtLogin(jwks_url=""):
                return tuple(Key(token.key_id, read_public_key(one)) for one in login.public_keys)
            case JwtLogin():
                return self._keys.at(login.jwks_url, login.certificates, token.key_id)
            case AzureLogin():
                return self._keys.at(f"{AZURE}/{login.tenant}/discovery/keys", "", token.key_id)
            case GcpLogin(kind="gce"):
                return self._keys.at(GOOGLE_KEYS, "", token.key_id)
        account = str(token.claims.get("sub"))
        if not _ACCOUNT.fullmatch(account) or account not in login.accounts:  # first: the URL contains it
            raise unauthorized("Access denied: GCP service account not allowed.")
        return self._keys.at(GOOGLE_ACCOUNT_KEYS + quote(account, safe=""), "", token.key_id, read_certificates)


def _require_azure(login: AzureLogin, claims: Mapping[str, Any]) -> None:
    issuers = {f"https://sts.windows.net/{login.tenant}/", f"{AZURE}/{login.tenant}/v2.0"}
    if claims.get("iss") not in issuers or claims.get("tid", login.tenant) != login.tenant:
        raise unauthorized("Access denied: Azure tenant not allowed.")
    resource = login.resource.rstrip("/")
    if not has_audience(claims, resource, f"{resource}/"):
        raise unauthorized("Access denied: Azure audience not allowed.")
    if claims.get("oid") not in login.principals:
        shown = printable(str(claims.get("oid")), 60)
        raise unauthorized(f"Access denied: Azure service principal not allowed. [oid={shown}]")


def _require_gcp(login: GcpLogin, identity_id: str, claims: Mapping[str, Any]) -> None:
    if not has_audience(claims, identity_id):
        raise unauthorized("Access denied: GCP audience not allowed; it must be the id of the identity.")
    if login.kind == "iam":  # the account was checked before its keys were read
        return
    if claims.get("iss") != GOOGLE:
        raise unauthorized("Access denied: GCP issuer not allowed.")
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True:
        raise unauthorized("Access denied: the token has no verified e-mail address; request it with format=full.")
    if login.accounts and email not in login.accounts:
        raise unauthorized("Access denied: GCP service account not allowed.")
    google = claims.get("google")
    engine = google.get("compute_engine") if isinstance(google, Mapping) else None
    details = engine if isinstance(engine, Mapping) else {}
    if login.projects and details.get("project_id") not in login.projects:
        raise unauthorized("Access denied: GCP project not allowed.")
    if login.zones and details.get("zone") not in login.zones:
        raise unauthorized("Access denied: GCP zone not allowed.")

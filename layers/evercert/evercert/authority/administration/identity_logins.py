"""Logins of identities: universal auth with client secrets, AWS IAM, and tokens of other systems."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

from pydantic.alias_generators import to_camel

from evercert.authority.administration.bodies import read
from evercert.authority.administration.changes import Changes, Plan
from evercert.authority.administration.identities import require_manages_all_projects
from evercert.authority.administration.login_bodies import AwsAuthBody, TokenBody, UniversalAuthBody
from evercert.authority.administration.token_login_answers import login_answer
from evercert.authority.administration.token_login_bodies import TOKEN_BODIES
from evercert.authority.administration.token_logins import changed_login
from evercert.authority.api_errors import bad_request, invalid, not_found
from evercert.authority.configuration.identity import TOKEN_LOGINS, AWSLogin, Identity, TokenSettings, UniversalLogin
from evercert.authority.configuration.principals import account_of, principal_problem
from evercert.authority.configuration.token_logins import TokenLogin, TokenMethod
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.registration.access import uuid_of

Method = Literal["universal-auth", "aws-auth"] | TokenMethod
_FIELDS: dict[str, str] = {"universal-auth": "universal", "aws-auth": "aws", **TOKEN_LOGINS}  # of identities
_BODIES: dict[str, type[TokenBody]] = {
    "universal-auth": UniversalAuthBody,
    "aws-auth": AwsAuthBody,
    **TOKEN_BODIES,
}
_STS_ENDPOINT = "https://sts.amazonaws.com/"
_STS = re.compile(r"https://sts(-fips)?(\.[a-z0-9-]{1,20})?\.amazonaws\.com(\.cn)?/?")
_EVERYWHERE = {"0.0.0.0/0", "::/0"}


@dataclass(frozen=True)
class IdentityLogins:
    """Manage the logins of identities whose projects the caller manages."""

    changes: Changes
    address: str  # of the authority

    def attach(self, identity: Identity, method: Method, name: str, data: object) -> dict[str, Any]:
        """Add a login; raise Refusal (400) if the identity has one of this kind."""
        return self._set(identity, method, name, {} if data is None else data, new=True)

    def change(self, identity: Identity, method: Method, name: str, data: object) -> dict[str, Any]:
        """Change the given settings of a login; raise Refusal (404) without one."""
        return self._set(identity, method, name, {} if data is None else data, new=False)

    def read(self, identity: Identity, method: Method, name: str) -> dict[str, Any]:
        """Return the settings of a login."""
        found = managed_identity(self.changes.open(), identity, name, "read")
        _require_login(found, method)
        return _login_body(found, method)

    def detach(self, identity: Identity, method: Method, name: str) -> dict[str, Any]:
        """Remove a login; tokens of the identity remain valid."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = managed_identity(configuration, identity, name, "delete")
            _require_login(before, method)
            others = {name: one for name, one in before.login_tokens.items() if name != method}
            after = before.model_copy(update={_FIELDS[method]: None, "login_tokens": others})
            return Plan(before, after, _login_body(before, method))

        return self.changes.run(identity, plan)

    def _set(self, identity: Identity, method: Method, name: str, data: object, *, new: bool) -> dict[str, Any]:
        body: TokenBody = read(_BODIES[method], data)
        _require_any_address(body)
        client_id = str(uuid.uuid4())

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = managed_identity(configuration, identity, name, "edit")
            if new and _login(before, method) is not None:
                raise bad_request(f"Failed to add {method} to already configured identity")
            if not new:
                _require_login(before, method)
            changed = _changed_login(before, method, body, client_id, self.address)
            after = _with_tokens(before, method, body).model_copy(update={_FIELDS[method]: changed})
            return Plan(before, after, _login_body(after, method))

        return self.changes.run(identity, plan)


def managed_identity(configuration: ManagedConfiguration, caller: Identity, name: str, action: str) -> Identity:
    """Return an identity that the caller manages in all its projects; raise Refusal (404, 403)."""
    found = configuration.identity(uuid_of(name) or "")
    projects = set() if found is None else {one.profile.partition("/")[0] for one in found.grants} | {found.project}
    if found is None or not any(project and caller.manages(project) for project in projects):
        raise not_found("Identity not found")
    require_manages_all_projects(caller, found, action)
    return found


def _login(identity: Identity, method: Method) -> UniversalLogin | AWSLogin | TokenLogin | None:
    found: UniversalLogin | AWSLogin | TokenLogin | None = getattr(identity, _FIELDS[method])
    return found


def _changed_login(
    identity: Identity, method: Method, body: TokenBody, client_id: str, address: str
) -> UniversalLogin | AWSLogin | TokenLogin:
    if isinstance(body, UniversalAuthBody):
        return _changed_universal(identity, body, client_id)
    if isinstance(body, AwsAuthBody):
        return _aws_login(identity, body)
    return changed_login(cast("TokenLogin | None", _login(identity, method)), body, address)


def _require_login(identity: Identity, method: Method) -> None:
    if _login(identity, method) is None:
        raise not_found(f"The identity has no {method} login: add it with POST first")


def require_universal_login(identity: Identity) -> UniversalLogin:
    """Return the login with client secrets; raise Refusal (404) without one."""
    if identity.universal is None:
        raise not_found("The identity has no universal-auth login: add it with POST first")
    return identity.universal


def _require_any_address(body: TokenBody) -> None:
    """Raise Refusal (400) for address limits: leaving them out would open the login to all addresses."""
    for name in ("access_token_trusted_ips", "client_secret_trusted_ips"):
        for one in getattr(body, name, None) or ():
            if one.ip_address not in _EVERYWHERE:
                raise bad_request(f"{to_camel(name)}: IP restrictions are not supported; use 0.0.0.0/0 and ::/0")


def _with_tokens(identity: Identity, method: Method, body: TokenBody) -> Identity:
    """Return the identity with settings of the login's tokens; raise Refusal (400). Other logins keep theirs."""
    given = (body.access_token_ttl, body.access_token_max_ttl, body.access_token_num_uses_limit)
    if given == (None, None, None):
        return identity
    before = identity.token_settings(method)
    ttl, longest, uses = (
        old if new is None else new for old, new in zip((before.ttl, before.max_ttl, before.uses), given, strict=True)
    )
    if body.access_token_max_ttl is None and longest:
        longest = max(longest, ttl)
    if longest and ttl > longest:
        raise bad_request("Access token TTL cannot be greater than max TTL")
    settings = TokenSettings.model_validate({"ttl": ttl, "max-ttl": longest, "uses": uses})
    return identity.model_copy(update={"login_tokens": {**identity.login_tokens, method: settings}})


def _changed_universal(identity: Identity, body: UniversalAuthBody, client_id: str) -> UniversalLogin:
    login = identity.universal or UniversalLogin.model_validate({"client-id": client_id})
    update: dict[str, Any] = {}
    if body.lockout_threshold is not None:
        update["failures"] = body.lockout_threshold
    if body.lockout_enabled is False:
        update["failures"] = 0
    elif body.lockout_enabled and not update.get("failures", login.failures):
        update["failures"] = UniversalLogin.model_fields["failures"].default
    if body.lockout_duration_seconds is not None:
        update["duration"] = timedelta(seconds=body.lockout_duration_seconds)
    if body.lockout_counter_reset_seconds is not None:
        update["window"] = timedelta(seconds=body.lockout_counter_reset_seconds)
    return login.model_copy(update=update)


def _aws_login(identity: Identity, body: AwsAuthBody) -> AWSLogin:
    """Return the login; raise Refusal (400, 422). Requests need no server id, because other clients sign none."""
    before = identity.aws
    if body.allowed_principal_arns is None and before is None:
        raise invalid([(("allowedPrincipalArns",), "Required: the ARNs of roles or users, separated by commas")])
    arns = _listed(body.allowed_principal_arns, before.principals if before else ())
    problems = [f"allowedPrincipalArns: {problem}" for arn in arns if (problem := principal_problem(arn))]
    if problems or not arns:
        raise bad_request(problems[0] if problems else "allowedPrincipalArns: name at least one role or user")
    accounts = _listed(body.allowed_account_ids, before.accounts if before else ())
    if accounts and not {account_of(arn) for arn in arns} <= set(accounts):
        raise bad_request(
            "allowedAccountIds: a principal of allowedPrincipalArns is in another account; add the account or remove"
            " the principal"
        )
    endpoint = body.sts_endpoint if body.sts_endpoint is not None else before.sts_endpoint if before else ""
    if endpoint and not _STS.fullmatch(endpoint):
        raise bad_request(f"stsEndpoint: must be an address of AWS STS, such as {_STS_ENDPOINT}")
    values = {"principals": arns, "foreign-clients": True, "accounts": accounts, "sts-endpoint": endpoint}
    return AWSLogin.model_validate(values)


def _listed(text: str | None, before: tuple[str, ...]) -> tuple[str, ...]:
    """Return the entries of a list with commas, or those that were set before."""
    if text is None:
        return before
    return tuple(dict.fromkeys(entry.strip() for entry in text.split(",") if entry.strip()))


def _login_body(identity: Identity, method: Method) -> dict[str, Any]:
    settings = identity.token_settings(method)
    tokens = {
        "id": identity.id,
        "identityId": identity.id,
        "accessTokenTTL": settings.ttl,
        "accessTokenMaxTTL": settings.max_ttl,
        "accessTokenNumUsesLimit": settings.uses,
        "accessTokenTrustedIps": _everywhere(),
    }
    if method == "universal-auth":
        secrets = require_universal_login(identity)
        lockout = {
            "lockoutEnabled": secrets.failures > 0,
            "lockoutThreshold": secrets.failures,
            "lockoutDurationSeconds": int(secrets.duration.total_seconds()),
            "lockoutCounterResetSeconds": int(secrets.window.total_seconds()),
        }
        universal = {"clientId": secrets.client_id, "clientSecretTrustedIps": _everywhere()}
        return {"identityUniversalAuth": {**tokens, **universal, **lockout}}
    login = _login(identity, method)
    if method != "aws-auth" and login is not None:
        name, fields = login_answer(cast("TokenLogin", login))
        return {name: {**tokens, **fields}}
    found = identity.aws or AWSLogin(principals=())
    aws = {
        "type": "iam",
        "allowedPrincipalArns": ",".join(found.principals),
        "allowedAccountIds": ",".join(found.accounts),
        "stsEndpoint": found.sts_endpoint or _STS_ENDPOINT,
    }
    return {"identityAwsAuth": {**tokens, **aws}}


def _everywhere() -> list[dict[str, Any]]:
    return [{"ipAddress": "0.0.0.0", "prefix": 0, "type": "ipv4"}, {"ipAddress": "::", "prefix": 0, "type": "ipv6"}]  # noqa: S104

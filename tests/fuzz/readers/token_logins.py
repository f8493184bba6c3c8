"""Tokens of other systems, their keys, the settings of such logins, and approvals."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from evercert.authority.administration.bodies import read
from evercert.authority.administration.token_login_bodies import TOKEN_BODIES
from evercert.authority.administration.token_logins import changed_login
from evercert.authority.api_errors import Refusal
from evercert.authority.infisical_api import approvals
from evercert.authority.logins.bounds import matches_path
from evercert.authority.logins.json_web_token import parse
from evercert.authority.logins.key_sets import read_certificates, read_jwks, read_public_key
from evercert.aws.authority import certificate_items, external_ceilings, external_requests
from evercert.cli.authority.constraint_options import ConstraintOptions
from evercert.cli.files import BadInput
from evercert.errors import Misconfigured
from tests.doubles.authority.token_issuers import PROVIDER, TokenIssuers, jwk_set
from tests.doubles.fakes import HandClock
from tests.doubles.infisical.identity_providers import shared_key
from tests.fuzz.changes import changed_tree, mutated_text
from tests.fuzz.reader import Reader
from tests.fuzz.readers.items import changed_item

PUBLIC_KEY = shared_key(3).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SETTINGS: dict[str, dict[str, Any]] = {
    "kubernetes-auth": {"kubernetesHost": PROVIDER, "allowedNamespaces": "a,b", "tokenReviewMode": "api"},
    "oidc-auth": {
        "oidcDiscoveryUrl": PROVIDER,
        "boundIssuer": PROVIDER,
        "boundSubject": "*",
        "boundClaims": {"a": "b"},
    },
    "jwt-auth": {"configurationType": "static", "publicKeys": [PUBLIC_KEY], "boundSubject": "x"},
    "azure-auth": {
        "tenantId": "11111111-2222-4333-8444-555555555555",
        "resource": "https://x",
        "allowedServicePrincipalIds": "a",
    },
    "gcp-auth": {"type": "gce", "allowedServiceAccounts": "a@b.iam.gserviceaccount.com", "allowedZones": "z"},
}


def tokens() -> list[str]:
    return [TokenIssuers(HandClock()).provider.token()]


def certificates() -> list[Any]:
    issuers = TokenIssuers(HandClock())
    issuers.google.service_account_key("a@b.iam.gserviceaccount.com")
    return [issuers._certificates("a@b.iam.gserviceaccount.com")]


def read_settings(settings: Any) -> None:
    """Set each login as an administrator does."""
    for method, body in settings.items() if isinstance(settings, dict) else ():
        if method in TOKEN_BODIES:
            changed_login(None, read(TOKEN_BODIES[method], body), "https://ca.example.com")


def read_constraints(text: str) -> None:
    """Parse an option for name constraints of each kind."""
    for kind in ("dns", "ip", "email", "uri"):
        with suppress(BadInput):
            ConstraintOptions({kind: [text]}, {}).parse()


def read_notice(entry: Any) -> None:
    """Parse an entry of the index of approvals; DynamoDB guarantees its keys."""
    more = entry if isinstance(entry, dict) else {}
    certificate_items.read_notice({**more, "pk": {"S": "request#x"}, "due_at": {"S": "x"}})


READERS = [
    Reader(
        "token of another system",
        tokens,
        lambda text: matches_path("*", str(parse(text).claims)),
        mutated_text,
        (ValueError,),
    ),
    Reader("name constraint of a CA", lambda: ["example.com", "10.0.0.0/8"], read_constraints, mutated_text, ()),
    Reader("JWK set", lambda: [jwk_set({"one": shared_key(3)})], read_jwks, changed_tree, ()),
    Reader("certificates by key id", certificates, read_certificates, changed_tree, ()),
    Reader("public key of an issuer", lambda: [PUBLIC_KEY], read_public_key, mutated_text, (ValueError,)),
    Reader("settings of logins with tokens", lambda: [SETTINGS], read_settings, changed_tree, (Refusal,)),
    Reader("decision about a request", lambda: [{"reason": "x"}], approvals._parsed, changed_tree, (Refusal,)),
    Reader("entry of an approval", lambda: [{}], read_notice, changed_tree, ()),
    Reader(
        "work of an external issuer",
        lambda: [{"handle": {"S": "x"}, "attempts": {"N": "2"}, "deadline": {"S": "2026-01-01T00:00:00.000Z"}}],
        lambda item: external_requests._read("x", item),
        changed_item,
        (Misconfigured,),
    ),
    Reader(
        "ceiling of an external issuer",
        lambda: [{"definition": {"S": '{"dns":["*"],"longest":"90d"}'}}],
        lambda item: external_ceilings._parsed(item, "x"),
        changed_item,
        (Misconfigured,),
    ),
]

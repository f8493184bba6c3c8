"""Logins with tokens of other systems: set by API, then used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.doubles.authority.client import Response
from tests.doubles.authority.manager import PROJECT, Manager
from tests.doubles.authority.token_issuers import HOST, PROVIDER, PUBLIC_CLUSTER
from tests.doubles.infisical import jwt
from tests.doubles.infisical.ca import new_key
from tests.doubles.infisical.identity_providers import shared_key

IDENTITIES = f"/api/v1/projects/{PROJECT}/identities"
ACCOUNT = "evercert@my-project.iam.gserviceaccount.com"
OIDC = {
    "oidcDiscoveryUrl": PROVIDER, "boundIssuer": PROVIDER, "boundSubject": "repo:acme/shop:ref:refs/heads/*",
    "boundAudiences": "evercert",
}  # fmt: skip
STATIC = {"configurationType": "static", "boundAudiences": "evercert"}
AZURE = {"tenantId": "11111111-2222-4333-8444-555555555555", "resource": "https://management.azure.com"}
KUBERNETES = {"kubernetesHost": HOST, "allowedNamespaces": "default", "allowedNames": "ever*"}
PUBLIC_KEY = shared_key(3).public_key()


class Machine:
    """A manager, and an identity whose login is set by API."""

    def __init__(self) -> None:
        self.manager = Manager()
        self.issuers = self.manager.setting.token_issuers
        self.id = str(self.manager.made(IDENTITIES, {"name": "ci"})["identity"]["id"])

    def settings(self, method: str) -> str:
        return f"/api/v1/auth/{method}/identities/{self.id}"

    def attach(self, method: str, **fields: Any) -> dict[str, Any]:
        return self.manager.made(self.settings(method), fields)

    def login(self, method: str, token: str) -> Response:
        return self.manager.post(f"/api/v1/auth/{method}/login", {"identityId": self.id, "jwt": token})


@pytest.fixture
def machine() -> Machine:
    return Machine()


def _pem(key: Any) -> str:
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


METHODS: dict[str, tuple[str, Callable[[Machine], dict[str, Any]], Callable[[Machine], str]]] = {
    "oidc": ("oidc-auth", lambda _: OIDC, lambda machine: machine.issuers.provider.token()),
    "oidc bounds": (
        "oidc-auth",
        lambda _: {**OIDC, "boundAudiences": "other, evercert", "boundClaims": {"repository": "acme/*"}},
        lambda machine: machine.issuers.provider.token(),
    ),
    "jwt": (
        "jwt-auth",
        lambda _: {
            "configurationType": "jwks",
            "jwksUrl": f"{PROVIDER}/keys",
            "boundSubject": OIDC["boundSubject"],
            "boundAudiences": "evercert",
        },
        lambda machine: machine.issuers.provider.token(),
    ),
    "jwt static": (
        "jwt-auth",
        lambda _: {
            **STATIC,
            "publicKeys": [_pem(shared_key(2).public_key()), _pem(PUBLIC_KEY)],
            "boundClaims": {"repository": "acme/shop"},
        },
        lambda machine: machine.issuers.provider.token(),
    ),
    "kubernetes": ("kubernetes-auth", lambda _: KUBERNETES, lambda machine: machine.issuers.cluster.token()),
    "kubernetes audience": (
        "kubernetes-auth",
        lambda _: {"kubernetesHost": HOST, "allowedAudience": "https://kubernetes.default.svc"},
        lambda machine: machine.issuers.cluster.token(),
    ),
    "kubernetes jwks": (
        "kubernetes-auth",
        lambda _: {"kubernetesHost": PUBLIC_CLUSTER, "tokenReviewMode": "jwks", "allowedAudience": "evercert"},
        lambda machine: public_cluster_token(machine, jti="1"),
    ),
    "azure": (
        "azure-auth",
        lambda machine: {
            "tenantId": machine.issuers.tenant.id,
            "resource": "https://management.azure.com",
            "allowedServicePrincipalIds": "00000000-1111-2222-3333-444444444444",
        },
        lambda machine: machine.issuers.tenant.token(),
    ),
    "gcp": (
        "gcp-auth",
        lambda _: {"type": "gce", "allowedServiceAccounts": f"a@b.iam.gserviceaccount.com, {ACCOUNT}"},
        lambda machine: machine.issuers.google.id_token(machine.id),
    ),
    "gcp project": (
        "gcp-auth",
        lambda _: {"type": "gce", "allowedProjects": "shop", "allowedZones": "europe-west1-b"},
        lambda machine: machine.issuers.google.id_token(
            machine.id, engine={"project_id": "shop", "zone": "europe-west1-b"}
        ),
    ),
    "gcp iam": (
        "gcp-auth",
        lambda _: {"type": "iam", "allowedServiceAccounts": ACCOUNT},
        lambda machine: account_token(machine, jti="1"),
    ),
}


def public_cluster_token(machine: Machine, **claims: Any) -> str:
    now = machine.manager.setting.clock().timestamp()
    found = {"iss": PUBLIC_CLUSTER, "sub": "system:serviceaccount:default:evercert", "aud": ["evercert"]}
    return jwt.sign({**found, "exp": now + 600, **claims}, machine.issuers.public_keys["cluster"], kid="cluster")


def account_token(machine: Machine, **claims: Any) -> str:
    file = machine.issuers.google.service_account_key(ACCOUNT)
    now = machine.manager.setting.clock().timestamp()
    found = {"sub": ACCOUNT, "aud": machine.id, "exp": now + 600, **claims}
    return jwt.sign(found, shared_key(2), kid=file["private_key_id"])


@pytest.mark.parametrize("case", METHODS)
def test_login_by_api(machine: Machine, case: str) -> None:
    method, settings, token = METHODS[case]
    fields = settings(machine)
    ((name, answer),) = machine.attach(method, accessTokenTTL=600, **fields).items()
    assert answer["accessTokenTTL"] == 600 and answer["identityId"] == machine.id
    assert machine.manager.get(machine.settings(method)).json == {name: answer}
    assert machine.manager.get(f"{IDENTITIES}/{machine.id}").json["identity"]["authMethods"] == [method]
    response = machine.login(method, token(machine))
    assert response.status == 200, response.body
    assert (response.json["expiresIn"], response.json["tokenType"]) == (600, "Bearer")
    assert token(machine) not in repr(machine.manager.setting.tokens.__dict__)
    assert machine.manager.call("DELETE", machine.settings(method)).status == 200
    assert machine.login(method, token(machine)).status == 404


@pytest.mark.parametrize("case", METHODS)
def test_change_keeps_other_settings(machine: Machine, case: str) -> None:
    method, settings, _ = METHODS[case]
    attached = machine.attach(method, **settings(machine))
    changed = machine.manager.made(machine.settings(method), {"accessTokenTTL": 77}, "PATCH")
    ((name, fields),) = attached.items()
    assert changed == {name: {**fields, "accessTokenTTL": 77}}
    assert machine.manager.post(machine.settings(method), settings(machine)).status == 400  # it has one already


FORGED: list[tuple[str, Callable[[Machine], str], int, str]] = [
    ("oidc", lambda m: m.issuers.provider.token(iss="https://evil.example"), 401, "OIDC issuer not allowed"),
    ("oidc", lambda m: m.issuers.provider.token(sub="repo:evil/shop:ref:refs/heads/main"), 403, "subject not allowed"),
    ("oidc", lambda m: m.issuers.provider.token(sub="repo:acme/shop:ref:refs/heads/a/b"), 403, "subject not allowed"),
    ("oidc", lambda m: m.issuers.provider.token(sub=None), 403, "subject not allowed"),
    ("oidc", lambda m: m.issuers.provider.token(key=new_key("RSA_2048")), 401, "invalid signature"),
    ("oidc", lambda m: m.issuers.provider.token(key=new_key("EC_prime256v1")), 401, "no key of the issuer fits"),
    ("oidc", lambda m: m.issuers.provider.token(key=_pem(PUBLIC_KEY).encode()), 401, "invalid algorithm"),
    ("oidc", lambda m: m.issuers.provider.token(kid="two", key=shared_key(3)), 401, "no key of the issuer fits"),
    ("oidc", lambda m: m.issuers.provider.token(lifetime=timedelta(minutes=-2)), 401, "jwt expired"),
    ("oidc", lambda m: m.issuers.provider.token(exp=None), 401, "does not expire"),
    ("oidc", lambda m: m.issuers.provider.token(exp="never"), 401, "invalid exp"),
    ("oidc", lambda m: m.issuers.provider.token(exp=10**30), 401, "invalid exp"),
    ("oidc", lambda m: m.issuers.provider.token(nbf=-(10**30)), 401, "invalid nbf"),
    ("oidc", lambda m: m.issuers.provider.token(nbf=m.manager.setting.clock().timestamp() + 90), 401, "not active"),
    ("oidc", lambda _: "abc", 401, "not a JWT"),
    ("oidc", lambda _: "a.b.c", 401, "not a JWT"),
    ("oidc bounds", lambda m: m.issuers.provider.token(aud="third"), 401, "OIDC audience not allowed"),
    ("oidc bounds", lambda m: m.issuers.provider.token(aud=None), 401, "OIDC audience not allowed"),
    ("oidc bounds", lambda m: m.issuers.provider.token(repository="evil/shop"), 401, "[claim=repository]"),
    ("oidc bounds", lambda m: m.issuers.provider.token(repository={"a": "acme/shop"}), 401, "[claim=repository]"),
    ("oidc bounds", lambda m: m.issuers.provider.token(repository="Acme/shop"), 401, "[claim=repository]"),
    ("jwt", lambda m: m.issuers.provider.token(sub="other"), 403, "token subject not allowed"),
    ("jwt static", lambda m: m.issuers.provider.token(key=new_key("RSA_2048")), 401, "invalid signature"),
    ("kubernetes", lambda m: m.issuers.cluster.token("kube-system"), 401, "K8s namespace not allowed"),
    ("kubernetes", lambda m: m.issuers.cluster.token(name="other"), 401, "K8s name not allowed"),
    ("kubernetes", lambda m: m.issuers.cluster.token(key=new_key("EC_prime256v1")), 401, "refused the review (401)"),
    ("kubernetes", lambda m: m.issuers.cluster.token(lifetime=timedelta(0)), 401, "refused the review (401)"),
    ("kubernetes", lambda m: m.issuers.cluster.token(subject="admin"), 400, "not one of a Kubernetes service account"),
    ("kubernetes jwks", lambda m: public_cluster_token(m, iss="https://evil.example"), 401, "K8s issuer not allowed"),
    ("kubernetes jwks", lambda m: public_cluster_token(m, aud=["other"]), 401, "K8s audience not allowed"),
    ("kubernetes jwks", lambda m: public_cluster_token(m, sub="repo:acme/shop"), 400, "not one of a Kubernetes"),
    ("kubernetes jwks", lambda m: m.issuers.cluster.token(), 401, "invalid signature"),
    ("azure", lambda m: m.issuers.tenant.token(issuer="https://sts.windows.net/other/"), 401, "tenant not allowed"),
    ("azure", lambda m: m.issuers.tenant.token(audience="https://vault.azure.net"), 401, "audience not allowed"),
    ("azure", lambda m: m.issuers.tenant.token(principal="other"), 401, "service principal not allowed. [oid=other]"),
    ("azure", lambda m: m.issuers.tenant.token(key=new_key("RSA_2048")), 401, "invalid signature"),
    ("gcp", lambda m: m.issuers.google.id_token("another"), 401, "GCP audience not allowed"),
    ("gcp", lambda m: m.issuers.google.id_token(m.id, email="e@evil.example"), 401, "service account not allowed"),
    ("gcp", lambda m: m.issuers.google.id_token(m.id, email=None), 401, "no verified e-mail address"),
    ("gcp", lambda m: m.issuers.google.id_token(m.id, issuer="https://evil.example"), 401, "GCP issuer not allowed"),
    ("gcp project", lambda m: m.issuers.google.id_token(m.id), 401, "GCP project not allowed"),
    (
        "gcp project",
        lambda m: m.issuers.google.id_token(m.id, engine={"project_id": "shop", "zone": "x"}),
        401,
        "GCP zone not allowed",
    ),
    ("gcp iam", lambda m: account_token(m, sub="a@b.iam.gserviceaccount.com"), 401, "service account not allowed"),
    ("gcp iam", lambda m: account_token(m, sub="../x"), 401, "service account not allowed"),
    ("gcp iam", lambda m: account_token(m, aud="another"), 401, "GCP audience not allowed"),
]


@pytest.mark.parametrize(("case", "token", "status", "message"), FORGED)
def test_forged_token_is_refused(
    machine: Machine, case: str, token: Callable[[Machine], str], status: int, message: str
) -> None:
    method, settings, _ = METHODS[case]
    machine.attach(method, **settings(machine))
    response = machine.login(method, token(machine))
    assert (response.status, message in response.json["message"]) == (status, True), response.body


CLOCKS = [timedelta(seconds=-59), timedelta(seconds=59)]


@pytest.mark.parametrize("skew", CLOCKS)
def test_clocks_may_differ_by_a_minute(machine: Machine, skew: timedelta) -> None:
    machine.attach("oidc-auth", **OIDC)
    lifetime = timedelta(minutes=5)
    token = machine.issuers.provider.token(lifetime=lifetime)
    machine.manager.setting.clock.now += skew + (lifetime if skew > timedelta(0) else timedelta(0))
    assert machine.login("oidc-auth", token).status == 200


@pytest.mark.parametrize(
    ("method", "fields", "message"),
    [
        ("oidc-auth", {**OIDC, "boundSubject": ""}, "every account of the issuer could log in"),
        ("oidc-auth", {**OIDC, "boundSubject": "*:*"}, "every account of the issuer could log in"),
        ("oidc-auth", {**OIDC, "boundSubject": "**/*"}, "every account of the issuer could log in"),
        ("oidc-auth", {**OIDC, "boundSubject": "repo:*/**"}, "every account of the issuer could log in"),
        ("oidc-auth", {**OIDC, "boundSubject": "https://**"}, "every account of the issuer could log in"),
        (
            "oidc-auth",
            {**OIDC, "boundSubject": "*", "boundClaims": {"repository": "**"}},
            "every account of the issuer",
        ),
        ("oidc-auth", {**OIDC, "boundSubject": "*:*", "boundClaims": {"ref": "*"}}, "every account of the issuer"),
        (
            "oidc-auth",
            {**OIDC, "boundSubject": "", "boundClaims": {"ref": "main, *-*.?"}},
            "every account of the issuer",
        ),
        ("oidc-auth", {**OIDC, "boundSubject": "", "boundClaims": {"iss": "https://a"}}, "every account of the issuer"),
        ("oidc-auth", {**OIDC, "boundAudiences": "*"}, "a service that receives tokens of the issuer could log in"),
        ("oidc-auth", {**OIDC, "boundAudiences": "evercert, https://**"}, "boundAudiences is required"),
        ("jwt-auth", {**STATIC, "publicKeys": [_pem(PUBLIC_KEY)]}, "every account of the issuer could log in"),
        (
            "jwt-auth",
            {**STATIC, "publicKeys": [_pem(PUBLIC_KEY)], "boundSubject": "acme", "boundAudiences": "**"},
            "boundAudiences is required",
        ),
        ("azure-auth", AZURE, "every managed identity of the tenant could log in"),
        ("azure-auth", {**AZURE, "allowedServicePrincipalIds": " , "}, "every managed identity of the tenant"),
        ("oidc-auth", {**OIDC, "boundIssuer": ""}, "Required"),
        ("oidc-auth", {**OIDC, "oidcDiscoveryUrl": "http://idp.example"}, "must begin with https"),
        ("oidc-auth", {**OIDC, "oidcDiscoveryUrl": "https://u:p@idp.example"}, "oidcDiscoveryUrl"),
        ("oidc-auth", {**OIDC, "caCert": "x"}, "must be PEM"),
        ("oidc-auth", {**OIDC, "boundClaims": {"repository": " , "}}, "at least one value"),
        ("oidc-auth", {**OIDC, "claimMetadataMapping": {"a": "b"}}, "is not supported"),
        ("jwt-auth", {"boundSubject": "x"}, "Required: jwks or static"),
        ("jwt-auth", {"configurationType": "jwks", "boundSubject": "x"}, "Required"),
        (
            "jwt-auth",
            {"configurationType": "static", "boundSubject": "x"},
            "Required for configurationType static",
        ),
        ("jwt-auth", {"configurationType": "static", "publicKeys": ["x"], "boundSubject": "x"}, "not a public key"),
        (
            "jwt-auth",
            {"configurationType": "static", "publicKeys": ["-----BEGIN PRIVATE KEY-----"], "boundSubject": "x"},
            "it is a private key",
        ),
        ("kubernetes-auth", {}, "Required"),
        ("kubernetes-auth", {**KUBERNETES, "tokenReviewerJwt": "ey"}, "tokenReviewerJwt is not supported"),
        ("kubernetes-auth", {**KUBERNETES, "tokenReviewMode": "gateway"}, "gateways are not supported"),
        ("kubernetes-auth", {**KUBERNETES, "tokenReviewMode": "jwks"}, "allowedAudience is required"),
        ("azure-auth", {}, "Required"),
        ("azure-auth", {"tenantId": "a/b", "resource": "x"}, "must be the UUID of the tenant"),
        ("gcp-auth", {"type": "gce"}, "every Google account could log in"),
        ("gcp-auth", {"type": "gce", "allowedZones": "z"}, "every Google account could log in"),
        ("gcp-auth", {"type": "iam", "allowedProjects": "p"}, "allowedServiceAccounts is required"),
    ],
)
def test_unsafe_settings_are_refused(machine: Machine, method: str, fields: dict[str, Any], message: str) -> None:
    response = machine.manager.post(machine.settings(method), fields)
    assert response.status in {400, 422} and message in response.message, response.body


@pytest.mark.parametrize("case", ["oidc", "jwt", "jwt static"])
@pytest.mark.parametrize("left_out", [{}, {"boundAudiences": ""}], ids=["absent", "empty"])
def test_default_audience_is_the_address_of_the_authority(
    machine: Machine, case: str, left_out: dict[str, str]
) -> None:
    method, settings, token = METHODS[case]
    fields = {name: value for name, value in settings(machine).items() if name != "boundAudiences"}
    ((_, answer),) = machine.attach(method, **fields, **left_out).items()
    address = machine.manager.setting.address
    assert answer["boundAudiences"] == address
    refused = machine.login(method, token(machine))  # a token for another service
    assert (refused.status, "audience not allowed" in refused.message) == (401, True)
    assert machine.login(method, machine.issuers.provider.token(aud=address)).status == 200


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("oidc", {"audiences": ()}), ("jwt", {"audiences": ()}), ("oidc", {"subject": "*:*"}),
        ("azure", {"principals": ()}), ("gcp", {"accounts": ()}),
    ],
)  # fmt: skip
def test_stored_login_of_strangers_is_refused(machine: Machine, case: str, changes: dict[str, Any]) -> None:
    method, settings, token = METHODS[case]
    machine.attach(method, **settings(machine))
    configuration, field = machine.manager.setting.configuration, method.removesuffix("-auth")
    stored = configuration.identity(machine.id)
    assert stored is not None
    login = getattr(stored, field).model_copy(update=changes)
    configuration.put(stored.model_copy(update={field: login}))
    response = machine.login(method, token(machine))
    assert (response.status, "Cannot verify the token" in response.message) == (400, True)


def test_login_waits_for_an_issuer_that_is_down(machine: Machine) -> None:
    machine.attach("oidc-auth", **OIDC)
    machine.issuers.down = True
    assert machine.login("oidc-auth", machine.issuers.provider.token()).status == 503


def test_address_without_keys_is_the_fault_of_the_settings(machine: Machine) -> None:
    machine.attach("oidc-auth", **{**OIDC, "oidcDiscoveryUrl": "https://elsewhere.example"})
    response = machine.login("oidc-auth", machine.issuers.provider.token())
    assert response.status == 400 and "Cannot verify the token" in response.message


def test_document_without_keys_is_the_fault_of_the_settings(machine: Machine) -> None:
    machine.attach("oidc-auth", **OIDC)
    machine.issuers.changed[f"{PROVIDER}/keys"] = {"keys": []}
    response = machine.login("oidc-auth", machine.issuers.provider.token())
    assert (response.status, response.json["error"]) == (400, "BadRequest")
    assert response.json["message"] == f"Cannot verify the token: {PROVIDER}/keys has no usable keys: check the address"


def test_login_of_another_project_is_not_changed(machine: Machine) -> None:
    there, _ = machine.manager.setting.identity("administer", profile="bank/*", name="bank-manager")
    machine.manager.token = machine.manager.setting.token(there)
    assert machine.manager.post(machine.settings("oidc-auth"), OIDC).status == 404

"""Test the settings of ACME issuers: valid ones, the choice of a solver, and the message of each mistake."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.cli.files import KINDS
from evercert.documents.document import Document, read
from evercert.documents.spec import Component
from evercert.errors import Misconfigured
from evercert.issuers import ISSUERS
from evercert.issuers.acme.settings import AcmeSettings
from evercert.solvers import SOLVERS
from evercert.solvers.context import RegisteredSolvers, SolverContext
from tests.doubles.raw_server import bundle

KMS_KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234"
SECRET = "hunter2"
REFERENCE = {"aws-secret": "evercert/credentials/eab"}
EXTERNAL = {"key-id": "kid-1", "hmac-key": REFERENCE}
GOOD: dict[str, Any] = {
    "type": "acme",
    "directory": "https://acme-v02.api.letsencrypt.org/directory",
    "solvers": [{"type": "http-01"}],
}


def problems(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    definition = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    found = read({"version": "evercert/v1", "issuers": {"main": definition}}, KINDS)
    return [] if isinstance(found, Document) else [(problem.path[2:], problem.message) for problem in found]


def settings(**changes: Any) -> AcmeSettings:
    definition = {key: value for key, value in {**GOOD, **changes}.items() if key != "type"}
    return AcmeSettings.model_validate(definition)


def test_issuer_type_is_registered() -> None:
    assert ISSUERS.load("acme").Settings is AcmeSettings


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"email": "ops@example.com"},
        {"email": "mailto:ops@example.com"},
        {"external-account": EXTERNAL},
        {"external-account": {**EXTERNAL, "algorithm": "HS512", "key-id": "a/b+c=~!"}},
        {"account-key": KMS_KEY},
        {
            "account-key": KMS_KEY.replace("aws", "aws-us-gov", 1).replace(
                "1234", "mrk-0123456789abcdef0123456789abcdef"
            )
        },
        {"account-key": "RSA_4096", "profile": "shortlived", "preferred-chain": "ISRG Root X1"},
        {"directory": "https://ca.example.com:9000/acme/acme/directory", "ca-bundle": bundle()},
        {"directory": "http://127.0.0.1:14000/dir"},
        {"solvers": [{"type": "http-01", "names": ["www.example.com", "*.example.com"], "zones": ["example.net."]}]},
        {"retry": {"max-retries": 5}, "pending-for": "14d"},
        {"orders": {"at-most": 1, "per": "30d"}},
        {"orders": {"at-most": 100_000, "per": "1s"}},
    ],
)
def test_settings_accept_valid_definitions(changes: dict) -> None:
    assert problems(**changes) == []


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"directory": None}, ("directory",), "is missing"),
        ({"directory": "http://ca.example.com/dir"}, ("directory",), "must be https://"),
        ({"directory": "ca.example.com"}, ("directory",), "must begin with https://"),
        ({"directory": "https://ca.example.com/dir?a=b"}, ("directory",), "it has a user, a query or a fragment"),
        ({"directory": f"https://u:{SECRET}@ca.example.com/"}, ("directory",), "it has a user, a query or a fragment"),
        ({"email": "ops"}, ("email",), "'ops' is not an e-mail address"),
        ({"email": "a@example.com,b@example.com"}, ("email",), "e-mail address"),
        ({"email": "ops@example.com?cc=x@example.com"}, ("email",), "is not an e-mail address"),
        ({"email": "tel:+4930123"}, ("email",), "'tel:+4930123' is not one e-mail address, such as ops@example.com"),
        ({"solvers": []}, ("solvers",), "at least 1"),
        ({"solvers": None}, ("solvers",), "is missing"),
        ({"solvers": [{"type": "http-01"}, {"type": "http-1"}]}, ("solvers", 1), "there is no solver type 'http-1'; did you mean 'http-01'?"),
        ({"solvers": [{"type": "http-01", "zone": "example.com"}]}, ("solvers", 0), "zone"),
        ({"solvers": [{"zones": ["example.com"]}]}, ("solvers", 0, "type"), "is missing"),
        ({"solvers": [{"type": "http-01", "names": ["a b"]}]}, ("solvers", 0, "names", 0), "is not a DNS name"),
        ({"solvers": [{"type": "http-01", "zones": ["*.example.com"]}]}, ("solvers", 0, "zones", 0), "is not a DNS name"),
        ({"external-account": {"key-id": "kid-1"}}, ("external-account", "hmac-key"), "is missing"),
        ({"external-account": {**EXTERNAL, "key-id": ""}}, ("external-account", "key-id"), ""),
        ({"external-account": {**EXTERNAL, "key-id": "a b"}}, ("external-account", "key-id"), ""),
        ({"external-account": {**EXTERNAL, "algorithm": "RS256"}}, ("external-account", "algorithm"), "'HS256', 'HS384' or 'HS512'"),
        ({"external-account": {**EXTERNAL, "hmac-key": SECRET}}, ("external-account",), "write a reference, not the secret itself"),
        ({"external-account": {"key-id": "kid-1", f"hmac-key:{SECRET}": None}}, ("external-account",), "is a space missing after a colon?"),
        ({"external-account": {**EXTERNAL, "hmac-key": {SECRET: None}}}, ("external-account",), "is a space missing after a colon?"),
        ({"external-account": {**EXTERNAL, "hmac": REFERENCE}}, ("external-account", "hmac"), "unknown key 'hmac'"),
        ({"account-key": "EC_secp521r1"}, ("account-key",), "'EC_prime256v1'"),
        ({"account-key": SECRET}, ("account-key",), "or the ARN of a KMS key, such as arn:aws:kms:…:key/…, and no alias"),
        ({"account-key": "arn:aws:kms:eu-central-1:111122223333:alias/acme"}, ("account-key",), "and no alias"),
        ({"account-key": "alias/acme"}, ("account-key",), "and no alias"),
        ({"account-key": "arn:aws:s3:eu-central-1:111122223333:key/1"}, ("account-key",), "must be one of"),
        ({"profile": "two words"}, ("profile",), ""),
        ({"preferred-chain": ""}, ("preferred-chain",), "at least 1"),
        ({"mail": "ops@example.com"}, ("mail",), "did you mean 'email'?"),
        ({"eab": EXTERNAL}, ("eab",), ""),
        ({"pending-for": "31d"}, ("pending-for",), "must be at most 30d"),
        ({"orders": {"at-most": 300}}, ("orders", "per"), "is missing"),
        ({"orders": {"per": "3h"}}, ("orders", "at-most"), "is missing"),
        ({"orders": {"at-most": 0, "per": "3h"}}, ("orders", "at-most"), "greater than or equal to 1"),
        ({"orders": {"at-most": 100_001, "per": "3h"}}, ("orders", "at-most"), "less than or equal to 100000"),
        ({"orders": {"at-most": "300", "per": "3h"}}, ("orders", "at-most"), "integer"),
        ({"orders": {"at-most": True, "per": "3h"}}, ("orders", "at-most"), "integer"),
        ({"orders": {"at-most": 300, "per": "31d"}}, ("orders", "per"), "must be at most 30d"),
        ({"orders": {"at-most": 300, "per": "0s"}}, ("orders", "per"), "longer than zero"),
        ({"orders": {"at-most": 300, "per": 10_800}}, ("orders", "per"), "not a duration"),
        ({"orders": 300}, ("orders",), ""),
        ({"ca-bundle": f"{bundle()}-----BEGIN PRIVATE KEY-----\n{SECRET}\n"}, ("ca-bundle",), "it contains a private key"),
    ],
)  # fmt: skip
def test_settings_report_place_without_secret(changes: dict, place: tuple, message: str) -> None:
    problem, *others = problems(**changes)
    assert others in ([], [(("solvers",), "solvers: give at least 1")])  # pydantic does not count an invalid solver
    assert problem[0] == place
    assert message in problem[1]
    assert SECRET not in problem[1]
    assert problem[1].isprintable()


def test_unknown_solver_is_refused_when_opened() -> None:
    with pytest.raises(Misconfigured, match=r"there is no solver type 'http-02'; did you mean 'http-01'\?"):
        RegisteredSolvers(SolverContext()).open("http-02", {})
    with pytest.raises(Misconfigured, match="solver of type http-01: zone"):
        RegisteredSolvers(SolverContext()).open("http-01", {"zone": "example.com"})
    assert list(SOLVERS.entries) == sorted(SOLVERS.entries)


# -- the choice of a solver ------------------------------------------------------------------------------------------

CHOICES = [
    {"type": "http-01", "zones": ["example.com"]},
    {"type": "http-01", "names": ["www.sub.example.com"]},
    {"type": "http-01", "zones": ["sub.example.com", "example.net"]},
    {"type": "http-01", "names": ["*.example.org"]},
    {"type": "http-01", "zones": ["Example.COM."]},
]


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("example.com", 0),
        ("www.example.com", 0),
        ("*.example.com", 0),
        ("a.b.example.com", 0),
        ("sub.example.com", 2),
        ("*.sub.example.com", 2),
        ("a.sub.example.com", 2),
        ("www.sub.example.com", 1),
        ("example.net", 2),
        ("*.example.org", 3),
        ("www.example.org", None),
        ("example.org", None),
        ("badexample.com", None),
        ("com", None),
        ("192.0.2.1", None),
    ],
)
@pytest.mark.parametrize("fallback", [False, True])
def test_most_precise_solver_is_chosen(name: str, chosen: int | None, fallback: bool) -> None:
    """An exact name beats every zone, a longer zone a shorter one, and the first of equal ones wins."""
    found = settings(solvers=[{"type": "http-01"}, *CHOICES] if fallback else CHOICES)
    choices = found.solvers[1:] if fallback else found.solvers
    expected = choices[chosen] if chosen is not None else found.solvers[0] if fallback else None
    assert found.solver_for(name) is expected


def test_exact_name_beats_the_longest_zone() -> None:
    zone = ".".join(["a" * 60] * 4)
    found = settings(solvers=[{"type": "http-01", "zones": [zone]}, {"type": "http-01", "names": [f"b.{zone}"]}])
    assert found.solver_for(f"b.{zone}") is found.solvers[1]
    assert found.solver_for(f"c.{zone}") is found.solvers[0]


# -- contact and identity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "contact"),
    [
        (None, ()),
        ("ops@example.com", ("mailto:ops@example.com",)),
        ("mailto:ops@example.com", ("mailto:ops@example.com",)),
    ],
)
def test_contact_is_a_mailto_url(email: str | None, contact: tuple[str, ...]) -> None:
    assert settings(email=email).contact == contact


def identity_hash(**changes: Any) -> str:
    return ISSUERS.identity_hash(Component.model_validate({**GOOD, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "ops@example.com"},
        {"solvers": [{"type": "http-01", "zones": ["example.com"]}]},
        {"preferred-chain": "ISRG Root X1"},
        {"pending-for": "1d"},
        {"orders": {"at-most": 10, "per": "1h"}},
        {"external-account": EXTERNAL},
        {"account-key": "RSA_2048"},
        {"directory": "https://ACME-v02.api.letsencrypt.org:443/directory/"},
    ],
)
def test_identity_ignores_account_solvers_and_chain(changes: dict) -> None:
    assert identity_hash(**changes) == identity_hash()


@pytest.mark.parametrize(
    "changes", [{"directory": "https://acme-staging-v02.api.letsencrypt.org/directory"}, {"profile": "shortlived"}]
)
def test_identity_depends_on_directory_and_profile(changes: dict) -> None:
    assert identity_hash(**changes) != identity_hash()


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        (
            {"email": "ops@example.com", "profile": "shortlived", "solvers": [{"type": "http-01", "names": ["a.de"]}]},
            True,
        ),
        ({"external-account": EXTERNAL}, False),
        ({"directory": "https://acme-staging-v02.api.letsencrypt.org/directory"}, False),
        ({"account-key": "EC_prime256v1"}, True),
        ({"account-key": "RSA_2048"}, False),
        ({"account-key": KMS_KEY}, False),
    ],
)
def test_account_is_shared_by_issuers_of_one_directory(changes: dict, same: bool) -> None:
    assert (settings(**changes).account_identity == settings().account_identity) is same


def test_account_depends_on_the_external_key_id_only() -> None:
    other = {"external-account": {"key-id": "kid-1", "hmac-key": {"aws-secret": "evercert/credentials/b"}}}
    third = {"external-account": {**EXTERNAL, "key-id": "kid-2"}}
    first = settings(**{"external-account": EXTERNAL}).account_identity
    assert first == settings(**other).account_identity != settings(**third).account_identity

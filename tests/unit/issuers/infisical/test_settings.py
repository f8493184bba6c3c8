"""Test the settings of Infisical issuers: valid ones, and the place and message of each mistake."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.cli.files import KINDS
from evercert.documents.document import Document, read
from evercert.documents.spec import Component
from evercert.errors import Misconfigured
from evercert.issuers import ISSUERS
from tests.doubles.raw_server import bundle

SECRET = "st.hunter2"
GOOD = {
    "type": "infisical",
    "application": "shop",
    "profile": "tls-server",
    "auth": {"type": "aws-iam", "identity-id": "0f4b7c1e-5f3e-4d1b-9a3e-1c2d3e4f5a6b"},
}


def problems(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    definition = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    found = read({"version": "evercert/v1", "issuers": {"main": definition}}, KINDS)
    return [] if isinstance(found, Document) else [(problem.path[2:], problem.message) for problem in found]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"application": None, "project": "shop"},
        {"application": None, "profile": None},
        {"address": "https://infisical.example.com:8443/api"},
        {"auth": {"type": "kubernetes-auth", "identity-id": "1", "service-account-token": {"aws-secret": "evercert/credentials/k"}}},
        {"ca-bundle": f"# für intern\n{bundle()}"},
        {"retry": {"max-retries": 5, "base-delay": "200ms", "max-delay": "5s"}, "pending-for": "14d"},
    ],
    ids=["v2", "v1", "follow only", "private server", "alias of a login type", "own CA bundle", "retry settings"],
)  # fmt: skip
def test_settings_accept_valid_definitions(changes: dict) -> None:
    assert problems(**changes) == []


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"address": "http://infisical.example.com"}, ("address",), "must be https://"),
        ({"address": "infisical.example.com"}, ("address",), "address"),
        ({"project": "shop"}, ("application",), "set only one of them"),
        ({"profile": None}, ("profile",), "together with its project or application"),
        ({"application": None}, ("application",), "together with its project or application"),
        ({"pending-for": "31d"}, ("pending-for",), "must be at most 30d"),
        ({"auth": None}, ("auth",), "is missing"),
        ({"auth": {"type": "vault"}}, ("auth", "type"), "unknown login type; known types: aws-iam, azure"),
        ({"auth": {"type": "aws-iam"}}, ("auth",), "'identity-id' is missing"),
        ({"auth": {"type": "aws-iam", "identity-id": "1", "identity": "1"}}, ("auth", "identity"), "did you mean 'identity-id'?"),
        ({"ca-bundle": f"{bundle()}-----BEGIN PRIVATE KEY-----\n{SECRET}\n"}, ("ca-bundle",), "it contains a private key"),
        ({"ca-bundle": f"/etc/{SECRET}.pem"}, ("ca-bundle",), "write the text, not the name of a file"),
        ({"ca-bundle": f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----"}, ("ca-bundle",), "must be PEM"),
        ({"ca-bundle": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, ("ca-bundle",), "cannot parse it"),
        ({"ca-bundle": "-----BEGIN CERTIFICATE-----\nAA\xa0AA\n-----END CERTIFICATE-----"}, ("ca-bundle",), "must be PEM"),
        ({"ca-bundle": f"{bundle()}{bundle().replace('MII', chr(0xA0))}"}, ("ca-bundle",), "one of its certificates is not PEM"),
        ({"auth": {**GOOD["auth"], f"client-secret:{SECRET}": None}}, ("auth",), "is a space missing after a colon?"),
        ({"auth": {**GOOD["auth"], "hunter2": None}}, ("auth",), "is a space missing after a colon?"),
        (
            {"auth": {"type": "universal-auth", "client-id": "1", "client-secret": {SECRET: None}}},
            ("auth", "client-secret"), "is a space missing after a colon?",
        ),
        (
            {"auth": {"type": "universal-auth", "client-id": "1", "client-secret": SECRET}},
            ("auth", "client-secret"), "write a reference, not the secret itself",
        ),
        (
            {"auth": {"type": "universal-auth", "client-id": "1", "client-secret": {"aws-secret": SECRET}}},
            ("auth", "client-secret", "aws-secret"), "must be evercert/credentials/NAME",
        ),
    ],
)  # fmt: skip
def test_settings_report_place_without_secret(changes: dict, place: tuple, message: str) -> None:
    (problem,) = problems(**changes)
    assert problem[0] == place
    assert message in problem[1]
    assert SECRET not in problem[1]


@pytest.mark.parametrize(
    "value", [f"${{{SECRET}}}", f"${SECRET[3:]}", "{{ id }}", f"<{SECRET}>", f"CLIENT_ID={SECRET}"]
)
@pytest.mark.parametrize(
    ("kind", "key"),
    [("universal-auth", "client-id"), ("aws-iam", "identity-id"), ("aws-iam", "organization")],
)
def test_settings_refuse_placeholders_without_quoting_them(kind: str, key: str, value: str) -> None:
    more = (
        {"client-secret": {"aws-secret": "evercert/credentials/k"}}
        if kind == "universal-auth"
        else {"identity-id": "1"}
    )
    (problem,) = problems(auth={"type": kind, **more, key: value})
    assert problem[0] == ("auth", key)
    assert "was the document rendered?" in problem[1]
    assert SECRET not in problem[1]


@pytest.mark.parametrize(("username", "refused"), [("$agent", False), ("a=b", False), ("${LDAP_USER}", True)])
def test_settings_refuse_a_user_name_that_is_a_placeholder(username: str, refused: bool) -> None:
    password = {"aws-secret": "evercert/credentials/k"}
    auth = {"type": "ldap-auth", "identity-id": "1", "username": username, "password": password}
    assert bool(problems(auth=auth)) is refused


def identity_hash(**changes: Any) -> str:
    definition = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return ISSUERS.identity_hash(Component.model_validate(definition))


@pytest.mark.parametrize(
    "changes",
    [
        {"auth": {"type": "aws-iam", "identity-id": "another"}},
        {"pending-for": "1d"},
        {"retry": {"max-retries": 1}},
        {"address": "https://app.infisical.com/api"},
        {"address": "https://APP.infisical.com:443/"},
    ],
)
def test_identity_ignores_login_and_retry_settings(changes: dict) -> None:
    assert identity_hash(**changes) == identity_hash()


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "https://eu.infisical.com"},
        {"profile": "tls-client"},
        {"application": None, "project": "shop"},
        {"auth": {**GOOD["auth"], "organization": "another"}},
    ],
)
def test_identity_depends_on_server_and_profile(changes: dict) -> None:
    assert identity_hash(**changes) != identity_hash()


@pytest.mark.parametrize("key", [f"client-secret:{SECRET}", "hunter2"])
def test_settings_do_not_quote_possible_secret_keys(key: str) -> None:
    definition = Component.model_validate({**GOOD, "auth": {**GOOD["auth"], key: None}})
    with pytest.raises(Misconfigured, match="is a space missing after a colon") as raised:
        ISSUERS.settings(definition)
    assert "hunter2" not in str(raised.value)

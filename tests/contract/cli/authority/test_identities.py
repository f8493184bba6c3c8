"""`evercert authority identity`: logins, client secrets and grants."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import EXAMPLE, ROLE, Command, fine, refused


@pytest.fixture
def profile(command: Command, cas: list[Any]) -> str:
    assert command("apply", str(EXAMPLE))[0] == 0
    return "my-project/tls-server"


def test_create_makes_an_identity_for_an_aws_role(
    command: Command, profile: str, configuration: ConfigurationWriter
) -> None:
    made = fine(command("identity", "create", "web", "--aws-role", f"{ROLE}web", "--profile", profile, "--json"))
    found = configuration.identity_named("web")
    assert (made["id"], found.aws.principals, found.universal) == (found.id, (f"{ROLE}web",), None)
    assert not found.aws.foreign_clients
    assert found.may("request", profile)
    assert not found.may("read-key", profile)
    refused(command("identity", "create", "web", "--universal"), "identity 'web' exists already")


def test_roles_replaces_who_logs_in_and_nothing_else(
    command: Command, profile: str, configuration: ConfigurationWriter
) -> None:
    options = ("--aws-role", f"{ROLE}old", "--foreign-clients", "--profile", profile)
    assert command("identity", "create", "web", *options)[0] == 0
    before = configuration.identity_named("web")
    fine(command("identity", "roles", "web", "--aws-role", f"{ROLE}new", "--json"))
    after = configuration.identity_named("web")
    assert after.aws.principals == (f"{ROLE}new",)
    assert after.aws.foreign_clients
    assert after.model_copy(update={"aws": before.aws}) == before
    refused(command("identity", "roles", "web"), "no roles given: add --aws-role")
    refused(command("identity", "roles", "web", "--aws-role", "x"), "write arn:aws:iam::ACCOUNT:role/NAME")
    assert command("identity", "create", "ci", "--universal")[0] == 0
    refused(command("identity", "roles", "ci", "--aws-role", f"{ROLE}new"), "has no login with AWS IAM")


def test_client_secret_is_shown_once_and_stored_hashed(command: Command, configuration: ConfigurationWriter) -> None:
    made = fine(
        command("identity", "create", "ci", "--universal", "--secret-ttl", "90d", "--secret-uses", "5", "--json")
    )
    (secret,) = configuration.identity_named("ci").universal.secrets
    assert secret.digest == hashlib.sha256(made["client_secret"].encode()).hexdigest()
    assert secret.expires_at - secret.created_at == timedelta(days=90)
    assert made["client_id"] == configuration.identity_named("ci").universal.client_id
    again = fine(command("identity", "secret", "ci", "--json"))
    assert len(configuration.identity_named("ci").universal.secrets) == 2
    for output in (command("identity", "show", "ci"), command("identity", "show", "ci", "--json")):
        assert made["client_secret"] not in output[1] + output[2]
        assert secret.digest not in output[1] + output[2]
    fine(command("identity", "secret", "ci", "--revoke", secret.id, "--json"))
    (left,) = configuration.identity_named("ci").universal.secrets
    assert left.digest == hashlib.sha256(again["client_secret"].encode()).hexdigest()
    refused(command("identity", "secret", "ci", "--revoke", secret.id), "has no client secret")


def test_create_stores_the_lockout_options(command: Command, configuration: ConfigurationWriter) -> None:
    strict = ("--lockout-failures", "5", "--lockout", "1h", "--lockout-window", "10m")
    for name, options, expected in (
        ("usual", (), (3, timedelta(minutes=5), timedelta(seconds=30))),
        ("strict", strict, (5, timedelta(hours=1), timedelta(minutes=10))),
        ("never", ("--lockout-failures", "0"), (0, timedelta(minutes=5), timedelta(seconds=30))),
    ):
        assert command("identity", "create", name, "--universal", *options)[0] == 0
        made = configuration.identity_named(name).universal
        assert (made.failures, made.duration, made.window) == expected


def test_secret_refuses_an_eleventh_client_secret(command: Command) -> None:
    command("identity", "create", "ci", "--universal")
    for _ in range(9):
        assert command("identity", "secret", "ci")[0] == 0
    refused(command("identity", "secret", "ci"), "has 10 client secrets: delete one with --revoke first")


def test_grant_sets_permissions_per_profile(command: Command, profile: str, configuration: ConfigurationWriter) -> None:
    command("identity", "create", "web", "--aws-role", f"{ROLE}web")
    command("identity", "grant", "web", "--profile", profile, "--permission", "read-key", "--permission", "request")
    command("identity", "grant", "web", "--profile", "*", "--permission", "administer")
    assert [(one.profile, one.permissions) for one in configuration.identity_named("web").grants] == [
        (profile, ("request", "read-key")), ("*", ("administer",)),
    ]  # fmt: skip
    command("identity", "grant", "web", "--profile", "*", "--revoke")
    assert [one.profile for one in configuration.identity_named("web").grants] == [profile]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no login given: add --aws-role, --universal, or both"),
        (["--aws-role", "role/web"], "--aws-role role/web: write arn:aws:iam::ACCOUNT:role/NAME"),
        (["--aws-role", "*"], "--aws-role *: write"),
        (
            ["--aws-role", f"{ROLE}team/*"],
            "matches no role, because AWS omits the path when a role logs in; name each role",
        ),
        (["--aws-role", f"{ROLE}*/web"], "AWS omits the path"),
        (["--universal", "--foreign-clients"], "--foreign-clients needs --aws-role"),
        (["--aws-role", f"{ROLE}web", "--secret-uses", "3"], "need --universal: they apply to client secrets only"),
        (["--universal", "--token-ttl", "2d"], "--token-ttl 2d is longer than --token-max-ttl 1d"),
        (["--universal", "--token-ttl", "0s"], "--token-ttl: "),
        (["--universal", "--lockout", "1s"], "--lockout: must be from 30s to 1d"),
        (["--universal", "--lockout", "soon"], "--lockout: "),
        (["--universal", "--lockout-window", "2h"], "--lockout-window: must be from 5s to 1h"),
        (["--universal", "--permission", "request"], "no profiles given"),
        (
            ["--universal", "--profile", "*", "--permission", "sign"],
            "--permission sign: write one of request, read-key",
        ),
        (
            ["--universal", "--profile", "my-project/none"],
            "unknown profile 'my-project/none'; run evercert authority profiles",
        ),
        (["--universal", "--profile", "../x"], "--profile ../x: write project/slug"),
    ],
)
def test_create_refuses_inconsistent_options(
    command: Command, configuration: ConfigurationWriter, arguments: list[str], message: str
) -> None:
    refused(command("identity", "create", "web", *arguments), message)
    assert configuration.identities() == ()


def test_delete_confirms_and_removes_the_identity(command: Command, configuration: ConfigurationWriter) -> None:
    command("identity", "create", "web", "--universal")
    refused(command("identity", "delete", "web"), "pass --yes")
    assert fine(command("identity", "delete", "web", "--yes", "--json")) == {"deleted": "web"}
    assert configuration.identities() == ()
    refused(
        command("identity", "show", "web"),
        "unknown identity 'web'; run evercert authority identity create to create one",
    )

"""`evercert authority project` and `changes`, and documents beside policies of the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import AcmeOptions, ApiOptions, EnrollmentSettings, Profile, id_of
from evercert.authority.contracts.management import AuditEntry, Change
from evercert.aws.authority.change_writer import ChangeWriter
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli import terminal
from tests.contract.cli.authority.command_line import Command, fine, fine_with_notes, refused
from tests.doubles.world import World

DOCUMENT = """
version: authority/v1
{policies}
profiles:
  - slug: web
    project: shop
    issuer-type: self-signed
    policy: web
"""


Opener = Callable[[], ChangeWriter]


@pytest.fixture
def opened(world: World, outputs: dict[str, str]) -> Opener:
    return lambda: ChangeWriter(world.operator.dynamodb, outputs["AuthorityConfiguration"], outputs["AuthorityAudit"])


def policy(stack: str, longest: str = "90d") -> NamedPolicy:
    values = {"project": "shop", "name": "web", "policy": {"validity": {"max": longest}}}
    return NamedPolicy.model_validate({"id": id_of(stack, "policy", "shop/web"), **values})


def record(opened: Opener, thing: NamedPolicy, age: timedelta, name: str = "manager") -> None:
    trail = opened()
    before = trail.policy(thing.id)
    entry = AuditEntry(
        str(uuid4()), terminal.now() - age, str(uuid4()), name, "change" if before else "create", "policy", thing.id, thing.key,
        None if before is None else before.model_dump(mode="json"), thing.model_dump(mode="json"),
    )  # fmt: skip
    trail.apply(Change((entry,), (thing,)))


def test_project_is_created_once(command: Command, configuration: ConfigurationWriter) -> None:
    made = fine(command("project", "create", "shop", "--json"))
    assert (made["created"], configuration.project(made["id"])) == (True, "shop")
    assert fine(command("project", "create", "shop", "--json"))["created"] is False
    assert fine(command("project", "list", "--json")) == [{"project": "shop", "id": made["id"]}]
    assert made["id"] in command("project", "list")[1]
    refused(command("project", "create", "Shop"), "invalid project name 'Shop'")


def test_grant_on_a_project_needs_the_project(command: Command, configuration: ConfigurationWriter) -> None:
    create = ("identity", "create", "boss", "--universal", "--permission", "administer", "--profile")
    refused(command(*create, "shop/*"), "unknown project 'shop'; run evercert authority project create")
    fine(command("project", "create", "shop", "--json"))
    refused(command(*create, "shopp/*"), "did you mean 'shop'?")
    fine(command(*create, "shop/*", "--json"))
    found = configuration.identity_named("boss")
    assert found.manages("shop") and not found.manages("bank")


def test_changes_are_listed_newest_first(command: Command, opened: Opener) -> None:
    assert command("changes")[1] == ""
    record(opened, policy("x"), timedelta(days=3))
    record(opened, policy("x", "30d"), timedelta(days=2), "other")
    record(opened, policy("x", "10d"), timedelta(minutes=1))
    found = fine(command("changes", "--json"))
    assert [(one["identity"]["name"], one["action"]) for one in found] == [
        ("manager", "change"), ("other", "change"), ("manager", "create"),
    ]  # fmt: skip
    assert len(fine(command("changes", "--since", "1d", "--json"))) == 1
    assert len(fine(command("changes", "--identity", "other", "--json"))) == 1
    assert fine(command("changes", "--object", "shop/other", "--json")) == []
    text = command("changes")[1]
    assert "manager  change policy shop/web" in text and "30d" in text
    refused(command("changes", "--since", "401d"), "must be at most 400d")


def test_unreadable_entry_is_named(command: Command, world: World, outputs: dict[str, str]) -> None:
    day = f"day#{terminal.now():%Y-%m-%d}"
    world.operator.dynamodb.put_item(TableName=outputs["AuthorityAudit"], Item={"pk": {"S": day}, "sk": {"S": "x"}})
    code, _, err = command("changes")
    assert code == 1 and "an entry of the audit trail does not parse" in err


def write(folder: Path, policies: str = "") -> str:
    file = folder / "authority.yaml"
    file.write_text(DOCUMENT.format(policies=policies))
    return str(file)


def test_document_uses_a_policy_of_the_api(
    command: Command, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.cli.authority.connection.AuthorityConnection.stack", "x")
    refused(command("apply", write(tmp_path)), "unknown policy 'web'")
    opened().write(policy("x"))
    fine(command("apply", write(tmp_path), "--json"))
    (profile,) = opened().profiles()
    assert profile.policy.validity.max == "90d" and opened().policies()[0].revision == 1
    again = fine(command("apply", write(tmp_path), "--json"))
    assert {step["verb"] for step in again["steps"]} == {"unchanged"}


def test_document_replaces_a_policy_of_the_api(
    command: Command, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.cli.authority.connection.AuthorityConnection.stack", "x")
    stored = policy("x")
    other = {
        "id": id_of("x", "profile", "shop/other"), "project": "shop", "slug": "other", "issuer-type": "self-signed",
        "policy-name": "web", "policy": stored.policy,
    }  # fmt: skip
    opened().write(stored, Profile.model_validate(other))
    file = write(tmp_path, "policies: {web: {validity: {max: 7d}}}")
    planned: dict[str, Any] = fine(command("apply", file, "--dry-run", "--json"))
    verbs = {f"{step['what']} {step['name']}": step["verb"] for step in planned["steps"]}
    assert verbs == {
        "project shop": "create", "policy shop/web": "change", "profile shop/other": "change", "profile shop/web": "create",
    }  # fmt: skip
    assert "90d" in command("apply", file, "--dry-run")[1]
    fine(command("apply", file, "--json"))
    assert {one.policy.validity.max for one in opened().profiles()} == {"7d"}
    assert opened().policies()[0].policy.validity.max == "7d"


def test_apply_creates_another_generation_of_a_deleted_profile(
    command: Command, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.cli.authority.connection.AuthorityConnection.stack", "x")
    fine(command("apply", write(tmp_path, "policies: {web: {validity: {max: 7d}}}"), "--json"))
    (first,) = opened().profiles()
    fine(command("apply", write(tmp_path, "policies: {web: {validity: {max: 8d}}}"), "--json"))
    trail = opened()
    (changed,) = trail.profiles()
    assert changed.policy != first.policy and changed.generation == first.generation != ""
    trail.remove(changed)
    fine(command("apply", write(tmp_path, "policies: {web: {validity: {max: 8d}}}"), "--json"))
    (second,) = opened().profiles()
    assert second.id == first.id and second.generation not in ("", first.generation)


def test_apply_keeps_a_profile_of_an_earlier_release(
    command: Command, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.cli.authority.connection.AuthorityConnection.stack", "x")
    fine(command("apply", write(tmp_path, "policies: {web: {validity: {max: 7d}}}"), "--json"))
    trail = opened()
    (profile,) = trail.profiles()
    trail.write(profile.model_copy(update={"generation": ""}))
    fine(command("apply", write(tmp_path, "policies: {web: {validity: {max: 8d}}}"), "--json"))
    assert opened().profiles()[0].generation == ""


def test_apply_dry_run_shows_api_changes(
    command: Command, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.cli.authority.connection.AuthorityConnection.stack", "x")
    file = write(tmp_path, "policies: {web: {validity: {max: 7d}}}")
    fine(command("apply", file, "--json"))
    (profile,) = opened().profiles()
    trail = opened()
    trail.profiles()
    trail.write(profile.model_copy(update={"description": "changed by API"}))
    code, out, _ = command("apply", file, "--dry-run")
    assert code == 0 and "~ profile shop/web" in out and "changed by API" in out


def test_apply_keeps_the_settings_of_the_api(
    command: Command, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.cli.authority.connection.AuthorityConnection.stack", "x")
    application = "applications: [{name: pay, project: shop, profiles: [web]}]"
    file = write(tmp_path, f"policies: {{web: {{validity: {{max: 7d}}}}}}\n{application}")
    fine(command("apply", file, "--json"))
    trail = opened()
    (profile,), (pay,) = trail.profiles(), trail.applications()
    changed = pay.model_copy(update={"description": "payments", "enrollment": {"web": EnrollmentSettings()}})
    trail.write(profile.model_copy(update={"enrollment": "api", "api": ApiOptions()}), changed)
    result = command("apply", file, "--json")
    assert {step["verb"] for step in fine_with_notes(result)["steps"]} == {"unchanged"}
    assert result[2].splitlines() == [
        f"note: {name}, managed by the API; add the keys to the document to change them"
        for name in (
            "profile shop/web: keeping api and enrollment",
            "application pay: keeping description and enrollment",
        )
    ]
    assert opened().profiles()[0].enrollment == "api" and opened().applications() == (changed,)


RENEWED = """
version: authority/v1
policies: {web: {validity: {max: 90d}}}
profiles:
  - {slug: web, project: shop, cas: [issuing-ec], policy: web, PROFILE}
applications:
  - {name: pay, project: shop, profiles: [web], APPLICATION}
"""
API = "api: {auto-renew: true, renew-before-days: 7}"


def applied(folder: Path, profile: str, application: str) -> str:
    file = folder / "renewed.yaml"
    file.write_text(RENEWED.replace("PROFILE", profile).replace("APPLICATION", application))
    return str(file)


def test_document_sets_automatic_renewal(
    command: Command, cas: list[Any], opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evercert.cli.authority.connection.AuthorityConnection.stack", "x")
    file = applied(tmp_path, f"{API}, enrollment: api", f"description: payments, enrollment: {{web: {{{API}}}}}")
    fine(command("apply", file, "--json"))
    (profile,), (pay,) = opened().profiles(), opened().applications()
    options = ApiOptions.model_validate({"auto-renew": True, "renew-before-days": 7})
    assert (profile.api, profile.enrollment) == (options, "api")
    assert (pay.description, pay.enrollment["web"].api) == ("payments", options)
    trail = opened()
    trail.profiles()
    trail.write(profile.model_copy(update={"api": None}))
    code, out, _ = command("apply", file, "--dry-run")
    assert code == 0 and "~ profile shop/web" in out and "renew-before-days" in out
    cleared = applied(tmp_path, "api: null, enrollment: null", "description: '', enrollment: {}")
    fine(command("apply", cleared, "--json"))
    (profile,), (pay,) = opened().profiles(), opened().applications()
    assert (profile.api, profile.enrollment, pay.description, pay.enrollment) == (None, None, "", {})


@pytest.mark.parametrize(
    ("profile", "application", "message"),
    [
        ("api: {auto-renew: true}", "", "Required with automatic renewal"),
        ("api: {auto-renewal: true}", "", "unknown key 'auto-renewal'; did you mean 'auto-renew'?"),
        ("enrollment: acme", "", "acme needs the key acme"),
        (f"acme: {{}}, enrollment: acme, {API}", "", "the profile serves ACME clients only"),
        ("acme: {}, enrollment: api", "", "the profile serves the API only"),
        ("enrollment: est", "", "enrollment"),
        ("", f"enrollment: {{other: {{{API}}}}}", "profile 'other' is not among the application's profiles"),
    ],
)
def test_contradicting_enrollment_is_refused(
    command: Command, cas: list[Any], tmp_path: Path, profile: str, application: str, message: str
) -> None:
    refused(command("apply", applied(tmp_path, profile, application)), message)


@pytest.mark.parametrize(
    ("before", "settings", "kept"),
    [
        ({"enrollment": "api", "api": ApiOptions()}, "acme: {}", (None, ApiOptions())),
        ({"enrollment": "acme", "acme": AcmeOptions()}, "acme: {}", ("acme", None)),
        ({"enrollment": "acme", "acme": AcmeOptions()}, "", (None, None)),
        ({"enrollment": "acme", "acme": AcmeOptions()}, "acme: {}, api: {}", (None, ApiOptions())),
        ({"api": ApiOptions()}, "acme: {}, enrollment: acme", ("acme", None)),
    ],
)
def test_kept_enrollment_fits_the_document(
    command: Command, cas: list[Any], opened: Opener, tmp_path: Path, before: dict[str, Any], settings: str, kept: Any
) -> None:
    assert command("apply", applied(tmp_path, "", ""))[0] == 0
    trail = opened()
    (profile,) = trail.profiles()
    trail.write(profile.model_copy(update=before))
    assert command("apply", applied(tmp_path, settings, ""))[0] == 0
    (after,) = opened().profiles()
    assert (after.enrollment, after.api) == kept


@pytest.mark.parametrize(
    "entry",
    [
        f"policy: web, cas: [issuing-ec, issuing-rsa], {API}, enrollment: api, description: Müller",
        "policy: web, cas: [issuing-ec], enrollment: acme, acme: {eab: optional, challenges: [dns-01]}",
        "policy: mtls, cas: [issuing-ec], acme: {limits: {new-accounts: {at-most: 5, per: 1h}}}, defaults: {ttl-days: null}",
        "policy: tls-server, issuer-type: self-signed, api: {}, approval: {needed: 2, within: 2d}",
        "policy: web, issuer-type: external, issuer: public-ca, defaults: {basic-constraints: {is-ca: false}}",
    ],
    ids=["api", "acme", "limits", "self-signed", "external"],
)
def test_shown_profile_is_applied_without_a_change(
    command: Command, cas: list[Any], tmp_path: Path, entry: str
) -> None:
    file = tmp_path / "entry.yaml"
    policies = (
        "{web: {validity: {max: 90d}, sans: [{type: dns_name, allowed: ['*.example.com'], denied: [a.example.com]}]}}"
    )
    file.write_text(
        f"version: authority/v1\npolicies: {policies}\nprofiles:\n  - {{slug: web, project: shop, {entry}}}\n"
    )
    assert command("apply", str(file))[0] == 0
    code, shown, _ = command("show", "shop/web")
    assert code == 0 and shown.startswith("# id: ")
    file.write_text(shown)
    again = fine(command("apply", str(file), "--json"))
    assert {step["verb"] for step in again["steps"]} == {"unchanged"}

"""The checks of `evercert doctor` for an authority on the emulator, one fault at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.key_policies import earlier_issuing, earlier_root
from evercert.aws.clients import Clients
from evercert.cli import terminal
from evercert.cli.authority import ceremony
from evercert.cli.authority.connection import AuthorityConnection, from_connection
from evercert.cli.connection import Connection
from evercert.cli.doctor import stack_checks as checks
from evercert.cli.doctor.authority_checks import of_authority
from evercert.cli.doctor.stack_checks import Check
from tests.doubles.world import World
from tests.samples.certificates import private_key
from tests.tools.local_stack import ACCOUNT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
DAY = timedelta(days=1)


def connected(world: World) -> Connection:
    outputs = {
        "AuthorityConfiguration": world.authority_table("AuthorityConfigurationTable"),
        "AuthorityTable": world.authority_table("AuthorityTable"),
        "AuthorityAddress": "https://ca.example.com",
        "AuthorityFunction": "front",
        "SignerFunction": "signer",
        **{f"{name}Role": f"{ROLE}{name.lower()}" for name in ("Signer", "Authority", "Checker", "Issuer")},
    }
    none: Any = None
    clients = Clients(session=world.operator.session)
    return Connection(f"stack-{uuid.uuid4().hex[:8]}", "id", "UPDATE_COMPLETE", clients, outputs, {}, none, none)


def established(found: AuthorityConnection, *, outside: bool = False) -> None:
    context = ceremony.CeremonyContext(
        found.configuration,
        found.key_creation,
        found.keys,
        found.roles,
        found.address,
        datetime.now(UTC),
        lambda _: None,
    )
    validity = 400 * DAY, 200 * DAY
    issuing: Any = (("issuing-ec", "EC_prime256v1"),)
    options = ceremony.InitOptions("Example", None, *validity, outside=outside, issuing=issuing)
    ceremony.establish(context, options)


@pytest.fixture
def found(world: World) -> AuthorityConnection:
    return from_connection(connected(world))


def look(found: AuthorityConnection) -> dict[str, Check]:
    looks = of_authority(found.connection)
    return {check.name: check for name in ("CAs", "keys of CAs") for check in checks.run(name, looks[name])}


def listed(found: AuthorityConnection, age: timedelta) -> None:
    since = datetime.now(UTC).replace(microsecond=0) - age
    validity = {"issuing": 7 * DAY, "root": 366 * DAY}
    certificates: DynamoDBCertificates = found.certificates
    for ca in found.configuration.cas():
        crl = (
            x509.CertificateRevocationListBuilder().issuer_name(x509.Name.from_rfc4514_string("CN=Example"))
            .last_update(since).next_update(since + validity[ca.kind])
            .sign(private_key("EC_prime256v1", 7_100), hashes.SHA256())
        )  # fmt: skip
        certificates.publish(ca.id, certificates.next_crl_number(ca.id), crl.public_bytes(serialization.Encoding.DER))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    return lambda later: monkeypatch.setattr(terminal, "now", lambda: datetime.now(UTC) + later)


def test_doctor_skips_a_stack_without_an_authority(world: World) -> None:
    connection = connected(world)
    assert of_authority(connection)
    del connection.outputs["AuthorityConfiguration"]  # type: ignore[attr-defined]
    assert of_authority(connection) == {}


def test_doctor_warns_of_an_authority_without_cas(found: AuthorityConnection) -> None:
    (cas, _) = look(found).values()
    assert (cas.status, cas.remedy) == ("warning", "evercert authority init")


def test_doctor_reports_a_healthy_authority_as_ok(found: AuthorityConnection) -> None:
    established(found)
    listed(found, timedelta(hours=5))
    checks_by_name = look(found)
    assert {name: check.status for name, check in checks_by_name.items()} == dict.fromkeys(
        (
            "CA issuing-ec", "revocation list of CA issuing-ec", "CA root", "revocation list of CA root",
            "key of CA issuing-ec", "key of CA root",
        ),
        "ok",
    )  # fmt: skip
    assert checks_by_name["revocation list of CA issuing-ec"].found == "5 h old"


def test_doctor_warns_of_cas_without_certificates(found: AuthorityConnection) -> None:
    established(found, outside=True)
    check = look(found)["CA issuing-ec"]
    assert (check.status, check.found) == ("warning", "has no certificate yet")
    assert "ca import" in check.remedy


@pytest.mark.parametrize(
    ("later", "issuing", "root"),
    [(100 * DAY, "ok", "warning"), (150 * DAY, "warning", "warning"), (401 * DAY, "failed", "failed")],
)
def test_doctor_reports_expiring_cas(
    found: AuthorityConnection, at: Callable[[timedelta], None], later: timedelta, issuing: str, root: str
) -> None:
    established(found)
    at(later)
    checks_by_name = look(found)
    assert (checks_by_name["CA issuing-ec"].status, checks_by_name["CA root"].status) == (issuing, root)
    if issuing != "ok":
        assert checks_by_name["CA issuing-ec"].remedy == (
            "evercert authority ca renew issuing-ec (same key), or ca replace issuing-ec (new key)"
        )


@pytest.mark.parametrize(("age", "status"), [(DAY, "ok"), (3 * DAY, "warning"), (8 * DAY, "failed")])
def test_doctor_reports_old_revocation_lists(found: AuthorityConnection, age: timedelta, status: str) -> None:
    established(found)
    assert look(found)["revocation list of CA issuing-ec"].found == "not published yet"
    listed(found, age)
    assert look(found)["revocation list of CA issuing-ec"].status == status


@pytest.mark.parametrize(
    ("age", "status", "text"),
    [
        (300 * DAY, "ok", "ends in 65 days"),
        (310 * DAY, "warning", "ends in 55 days"),
        (367 * DAY, "failed", "has expired: clients that check the whole chain refuse it"),
    ],
)
def test_doctor_reports_an_ending_root_list(found: AuthorityConnection, age: timedelta, status: str, text: str) -> None:
    established(found)
    before = look(found)["revocation list of CA root"]
    assert (before.status, before.remedy) == ("warning", "evercert authority ca crl")
    listed(found, age)
    check = look(found)["revocation list of CA root"]
    assert (check.status, check.found, check.remedy) == (status, text, "evercert authority ca crl")


def test_doctor_reports_disabled_keys_and_changed_policies(found: AuthorityConnection, world: World) -> None:
    established(found)
    issuing, root = found.configuration.cas()
    world.operator.kms.disable_key(KeyId=root.key)
    policy = world.operator.kms.get_key_policy(KeyId=issuing.key, PolicyName="default")["Policy"]
    world.operator.kms.put_key_policy(
        KeyId=issuing.key, PolicyName="default", Policy=policy.replace("role/signer", "role/x")
    )
    checks_by_name = look(found)
    assert checks_by_name["key of CA root"].remedy == f"aws kms enable-key --key-id {root.key}"
    assert checks_by_name["key of CA issuing-ec"].status == "failed"
    assert "evercert authority init" in checks_by_name["key of CA issuing-ec"].remedy


def test_doctor_accepts_key_policies_of_earlier_releases(found: AuthorityConnection) -> None:
    established(found)
    for ca in found.configuration.cas():
        earlier = earlier_root(found.roles) if ca.kind == "root" else earlier_issuing(found.roles, outside=False)
        found.key_creation.put_policy(ca.key, earlier)
    checks_by_name = look(found)
    for name in ("root", "issuing-ec"):
        check = checks_by_name[f"key of CA {name}"]
        assert (check.status, check.found.partition(";")[0]) == ("ok", "enabled")
        assert "evercert authority init updates it" in check.found

"""Infisical on the deployed stack: the issuer logs in with its AWS identity or with a secret only it may read.

The double runs in this process on the loopback interface and counts the requests it receives.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.issuers.infisical.logins import LOGINS
from evercert.issuers.infisical.logins.aws_iam import sign_request
from evercert.origins import Origin
from tests.doubles.infisical import Planted
from tests.doubles.infisical.client import Bare
from tests.doubles.infisical.store import SPKI
from tests.doubles.world import assert_pair
from tests.stack.conftest import Stack, until, written
from tests.tools.local_infisical import CREDENTIALS, beside, definition, plant
from tests.tools.local_stack import REGION

pytestmark = pytest.mark.timeout(300)

DENIED = {"AccessDeniedException", "AccessDenied"}
FLEET = 24
KINDS = ("aws-iam", "universal-auth")
PATHS = {
    "universal-auth": "universal", "aws-iam": "aws", "kubernetes": "kubernetes", "azure": "azure",
    "gcp-id-token": "gcp", "gcp-iam": "gcp", "ldap-auth": "ldap",
}  # fmt: skip


@dataclass
class Fleet:
    """Many certificates of one issuer, and two that live for 90 seconds with different logins."""

    server: Planted
    names: list[str]
    short: dict[str, str]  # by login type
    events: Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def fleet(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Issue on a double of its own, so that its counts are exact; the schedule renews the short-lived ones.

    Session-wide: tests of other files run while these certificates age.
    """
    folder, mark = tmp_path_factory.mktemp("fleet"), uuid.uuid4().hex[:6]
    with beside(stack.running) as server:
        stack.doubles.append(server)
        auths = plant(server, stack.client("secretsmanager"), f"{CREDENTIALS}/fleet-{mark}")
        issuers = {f"{kind}-{mark}": definition(server, auths[kind]) for kind in KINDS}
        short = {kind: f"short-{kind}-{mark}" for kind in KINDS}
        events = stack.subscribe(certificate=list(short.values()))
        lives = {"common-name": "www.example.com", "ttl": "90s"}
        wanted = [
            {
                "name": name,
                "issuer": f"{kind}-{mark}",
                "attributes": lives,
                "lifecycle": {"renew-before-expiry": "60s"},
            }
            for kind, name in short.items()
        ]
        done = stack.evercert("apply", written(folder, issuers, wanted), "--no-nudge")
        assert done.returncode == 0, done.stderr
        names = [f"fleet-{number:02d}-{mark}" for number in range(FLEET)]
        issuer = {f"aws-iam-{mark}": issuers[f"aws-iam-{mark}"]}
        many = [{"name": name, "issuer": f"aws-iam-{mark}"} for name in names]
        done = stack.evercert("apply", written(folder, issuer, many), "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
        yield Fleet(server, names, short, events)


def test_every_login_type_issues_on_the_stack(stack: Stack, infisical: Planted, logged_in: dict[str, str]) -> None:
    assert set(logged_in) == set(LOGINS.entries) == set(PATHS)
    for kind, name in logged_in.items():
        leaf = assert_pair(stack.secret(name))
        assert PATHS[kind] in infisical.logins, kind
        assert leaf.fingerprint(leaf.signature_hash_algorithm) in [
            one.signed.fingerprint(leaf.signature_hash_algorithm) for one in infisical.issued
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_short_lived_certificate_is_renewed_by_the_schedule(stack: Stack, fleet: Fleet, kind: str) -> None:
    name = fleet.short[kind]

    def types() -> list[str]:
        return [event["type"] for event in fleet.events() if event["subject"] == name]

    assert until(lambda: types()[:2] == ["certificate.issued", "certificate.renewed"], 120), types()
    previous, current = (stack.secret(name, stage) for stage in ("AWSPREVIOUS", "AWSCURRENT"))  # renewals continue
    leaf, before = assert_pair(current), assert_pair(previous)
    assert leaf.serial_number != before.serial_number
    assert leaf.public_key() != before.public_key()
    chain = x509.load_pem_x509_certificates(current["fullchain"].encode())
    for lower, upper in pairwise(chain):
        lower.verify_directly_issued_by(upper)
    assert len(chain) > 1


def test_function_process_logs_in_and_looks_up_names_once(stack, fleet: Fleet, keys: Path) -> None:
    """Other certificates do not count: the second issuer of the short-lived ones has a login and names of its own."""
    assert until(lambda: {event["subject"] for event in fleet.events()} >= set(fleet.short.values()), 60)
    issued = {one.public_key for one in fleet.server.issued}
    processes = {
        file.name
        for file in keys.iterdir()
        if any(public in issued for public in map(_public_key, file.read_text().split()))
    }
    counts = Counter(fleet.server.logins)
    issued_by_fleet = len(fleet.server.issued)
    assert issued_by_fleet >= FLEET + 2
    assert 1 <= counts["aws"] <= len(processes)
    assert counts["universal"] <= len(processes)
    assert fleet.server.count("GET /v1/cert-manager/applications/by-name") <= counts.total()
    assert fleet.server.count("/profiles$") <= counts.total()
    assert len(processes) < issued_by_fleet / 2


def _public_key(noted: str) -> bytes:
    key = serialization.load_der_private_key(base64.b64decode(noted), password=None)
    return key.public_key().public_bytes(*SPKI)


def test_fleet_is_delivered(stack: Stack, fleet: Fleet) -> None:
    serials = {assert_pair(stack.secret(name)).serial_number for name in fleet.names}
    assert len(serials) == FLEET
    assert serials <= {one.signed.serial_number for one in fleet.server.issued}


@pytest.mark.parametrize("who", ["CheckerRole", "root", "a wrong signature", "a wrong token"])
def test_server_admits_only_the_role_of_the_issuer(stack: Stack, infisical: Planted, who: str) -> None:
    ours, theirs = (stack.role(stack.resource(role)) for role in ("IssuerRole", "CheckerRole"))
    held = {
        "CheckerRole": theirs,
        "root": {"aws_access_key_id": "test", "aws_secret_access_key": "test"},
        "a wrong signature": {**ours, "aws_secret_access_key": "wrong"},
        "a wrong token": {**ours, "aws_session_token": "wrong"},
    }[who]
    with Bare(infisical) as client:
        assert client.aws(_signed(ours)).status_code == 200
        assert client.aws(_signed(held)).status_code in {401, 500}


def _signed(held: dict[str, str]) -> dict[str, str]:
    return sign_request(ReadOnlyCredentials(*(held.get(f"aws_{key}") for key in _PARTS)), REGION, SERVER)


SERVER = Origin.of("https://infisical.example")
_PARTS = ("access_key_id", "secret_access_key", "session_token")


def test_issuer_role_reads_only_credential_secrets(stack: Stack, fleet: Fleet) -> None:
    role, mark = stack.role(stack.resource("IssuerRole")), uuid.uuid4().hex[:6]
    owner, ours = stack.client("secretsmanager"), stack.client("secretsmanager", **role)
    for folder in (CREDENTIALS, "production", "evercert/credentials-x", "evercert"):
        owner.create_secret(Name=f"{folder}/mine-{mark}", SecretString="{}")
    assert ours.get_secret_value(SecretId=f"{CREDENTIALS}/mine-{mark}")["SecretString"] == "{}"
    refused = ("production", "evercert/credentials-x", "evercert")
    for name in (f"evercert/certificates/{fleet.names[0]}", *(f"{folder}/mine-{mark}" for folder in refused)):
        _denied(lambda name=name: ours.get_secret_value(SecretId=name))
    _denied(lambda: ours.put_secret_value(SecretId=f"{CREDENTIALS}/mine-{mark}", SecretString="x"))
    _denied(ours.list_secrets)


def test_issuer_role_reads_only_credential_parameters(stack: Stack) -> None:
    role, mark = stack.role(stack.resource("IssuerRole")), uuid.uuid4().hex[:6]
    owner, ours = stack.client("ssm"), stack.client("ssm", **role)
    for name in (f"/{CREDENTIALS}/mine-{mark}", f"/production/mine-{mark}"):
        owner.put_parameter(Name=name, Value="{}", Type="SecureString")
    assert ours.get_parameter(Name=f"/{CREDENTIALS}/mine-{mark}", WithDecryption=True)["Parameter"]["Value"] == "{}"
    _denied(lambda: ours.get_parameter(Name=f"/production/mine-{mark}"))


def _denied(call: Callable[[], object]) -> None:
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["Error"]["Code"] in DENIED


def test_definitions_contain_no_credential(stack: Stack, infisical: Planted, logged_in: dict[str, str]) -> None:
    table = json.dumps(stack.items(table=stack.outputs["IssuersTable"]))
    assert f"by-{next(iter(logged_in))}" in table
    assert infisical.client_secret not in table
    assert infisical.ldap_password not in table

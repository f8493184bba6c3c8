"""P6 on the deployed stack: search everything that this session left behind for its secrets. Runs last.

The functions' processes record private keys as they send them to be sealed (killer/sitecustomize.py). The search
therefore includes keys that never reached a destination.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from evercert.issuers.infisical.logins import LOGINS
from evercert.pki.keys import PrivateKey
from tests.doubles.infisical import Planted
from tests.doubles.item_text import unpacked
from tests.stack.conftest import Stack, document, until
from tests.stack.manual_items import planted, wanted
from tests.tools.local_infisical import CREDENTIALS, proofs
from tests.tools.local_stack import STACK

pytestmark = pytest.mark.timeout(300)

LENGTH = 24  # characters of a secret's form to search for, from both ends
_FILLERS = re.compile(r"\\+[nrt]|\s")  # line breaks, raw and as JSON and Python escape them
Event = dict[str, Any]


class Scanner:
    """Search a text for every form of every secret in one pass."""

    def __init__(self) -> None:
        self._needles: dict[str, str] = {}

    def know(self, what: str, secret: bytes) -> None:
        """Add a secret: plain, hexadecimal, base64 at any offset, as a number, and as Python prints bytes."""
        forms = [secret.hex(), secret.hex().upper(), secret.hex(":"), str(int.from_bytes(secret)), repr(secret)[2:-1]]
        forms.append(secret.decode("latin-1"))
        for before in range(3):
            # The first and the last characters depend on the surrounding text.
            text = base64.b64encode(bytes(before) + secret + bytes(3)).decode()
            inner = text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
            forms += [inner, inner.replace("+", "-").replace("/", "_")]
        for form in forms:
            bare = _FILLERS.sub("", form)
            if len(bare) >= LENGTH:
                self._needles[bare[:LENGTH]] = self._needles[bare[-LENGTH:]] = what

    def know_key(self, what: str, der: bytes) -> None:
        """Add the key's private numbers, which every encoding contains; the public ones may appear anywhere."""
        key = serialization.load_der_private_key(der, password=None)
        match key:
            case ec.EllipticCurvePrivateKey():
                numbers = [key.private_numbers().private_value.to_bytes(-(-key.curve.key_size // 8))]
            case rsa.RSAPrivateKey():
                private = key.private_numbers()
                numbers = [n.to_bytes(-(-n.bit_length() // 8)) for n in (private.d, private.p, private.q)]
            case ed25519.Ed25519PrivateKey():
                numbers = [key.private_bytes_raw()]
            case _:
                raise AssertionError(key)
        for number in numbers:
            self.know(what, number)

    def find(self, texts: Iterable[str]) -> set[str]:
        """Return the labels of the secrets found, never the secrets themselves."""
        needles, found = self._needles, set()
        for text in texts:
            bare = _FILLERS.sub("", text)
            found |= {
                needles[part] for start in range(len(bare) - LENGTH + 1) if (part := bare[start : start + LENGTH]) in needles
            }  # fmt: skip
        return found


@dataclass
class Canaries:
    """The planted secrets, and the places where this test put them."""

    token: str
    client_secret: str
    planted: dict[str, set[str]]  # primary key → the attribute that holds it


@pytest.fixture(scope="module")
def canaries(stack: Stack, announced: Callable[[], list[Event]], tmp_path_factory: pytest.TempPathFactory) -> Canaries:
    """Plant secrets where operators put them by mistake, and issue certificates with every key type."""
    mark, folder, table = uuid.uuid4().hex[:6], tmp_path_factory.mktemp("canaries"), stack.client("dynamodb")
    token, client_secret = f"st.{uuid.uuid4().hex}.{uuid.uuid4().hex}", f"ics_{uuid.uuid4().hex}{uuid.uuid4().hex}"
    here: dict[str, set[str]] = {}
    for kind in ("universal-auth", "self-signed"):
        definition = {"type": kind, "client-secret": client_secret, "token": token, "auth": {"client-secret": [token]}}
        item = {"pk": {"S": f"issuer#{kind}-{mark}"}, "definition": {"S": json.dumps(definition)}}
        table.put_item(TableName=stack.outputs["IssuersTable"], Item=item)
        here[item["pk"]["S"]] = {"definition"}
    specs: dict[str, Any] = {
        f"canary-type-{mark}": {"issuer": f"universal-auth-{mark}"},
        f"canary-settings-{mark}": {"issuer": f"self-signed-{mark}"},
        f"canary-key-{mark}": {"client-secret": client_secret, "private-key": {"algorithm": token}},
        f"canary-destination-{mark}": {"destinations": [{"type": "secrets-manager", "token": token}]},
    }
    for name, changes in specs.items():
        table.put_item(TableName=stack.table, Item=planted(name, wanted(name, **changes)))
        here[f"certificate#{name}"] = {"spec"}
    stack.client("secretsmanager").create_secret(Name=f"evercert/credentials/canary-{mark}", SecretString=client_secret)
    bad = folder / "bad.yaml"
    bad.write_text(json.dumps({"version": "evercert/v1", "issuers": {"x": {"type": "self-signed", "token": token}}}))
    assert stack.evercert("apply", str(bad)).returncode == 2
    assert stack.evercert("validate", str(bad)).returncode == 2
    agent = folder / "agent.yaml"
    login = {"type": "universal-auth", "config": {"client-id": "me", "client-secret": client_secret}}
    agent.write_text(json.dumps({"version": "v1", "auth": login, "certificates": []}))
    stack.evercert("validate", str(agent))
    for number, algorithm in enumerate(("EC_prime256v1", "EC_secp521r1", "RSA_2048", "Ed25519")):
        both = [{"type": "secrets-manager"}] + [{"type": "acm"}] * (algorithm != "Ed25519")
        changes = {"private-key": {"algorithm": algorithm}, "destinations": both}
        name = f"canary-{number}-{mark}"
        assert stack.evercert("apply", document(folder, name, **changes), "--wait").returncode == 0
        for command in (["show", name], ["history", name], ["show", name, "--json"]):
            assert stack.evercert(*command).returncode == 0
    for command in (["list"], ["doctor"]):
        stack.evercert(*command)
    assert until(lambda: {event["subject"] for event in announced()} >= set(specs), 60)
    return Canaries(token, client_secret, here)


@pytest.fixture(scope="module")
def scanner(stack: Stack, keys: Path, canaries: Canaries, logged_in: dict[str, str]) -> Scanner:
    scanner = Scanner()
    for der in sealed(keys):
        scanner.know_key("a private key", der)
    for name, value in (("the token", canaries.token), ("the client secret", canaries.client_secret)):
        scanner.know(name, value.encode())
    assert logged_in
    for server in stack.doubles:
        for what, value in held_by(server):
            scanner.know(what, value.encode())
        for what, der in keys_of(server):
            scanner.know_key(what, der)
    return scanner


def held_by(server: Planted) -> Iterator[tuple[str, str]]:
    """Yield the secrets that clients present to a double of Infisical, and those that it returned to them."""
    yield "client secret of a login", server.client_secret
    yield "password of a login", server.ldap_password
    for text in server.tokens.given:
        # The header and the payload of a token vary little, so only the rest identifies it.
        yield "access token", text.rpartition(".")[2]
    for given in (server.cluster.given, server.tenant.given, server.google.given):
        for text in given:
            yield "token of a login", text.rpartition(".")[2]


def keys_of(server: Planted) -> Iterator[tuple[str, bytes]]:
    """Yield the keys that the server generated for certificates, and the key of the Google service account."""
    pem = server.service_account_key["private_key"].encode()
    yield "service account's key", PrivateKey(serialization.load_pem_private_key(pem, password=None)).der()
    for one in server.issued:
        if one.key is not None:
            yield "a key that the server made", PrivateKey(one.key).der()


def sealed(keys: Path) -> list[bytes]:
    return [base64.b64decode(line) for file in sorted(keys.iterdir()) for line in file.read_text().split()]


def in_secrets(stack: Stack) -> Iterator[bytes]:
    """Yield the private keys of all secrets, as DER."""
    client = stack.client("secretsmanager")
    pages = client.get_paginator("list_secrets").paginate()
    for name in [secret["Name"] for page in pages for secret in page["SecretList"]]:
        for version in client.describe_secret(SecretId=name).get("VersionIdsToStages", {}):
            value = client.get_secret_value(SecretId=name, VersionId=version)["SecretString"]
            if value.startswith("{") and "private_key" in (content := json.loads(value)):
                key = serialization.load_pem_private_key(content["private_key"].encode(), password=None)
                yield PrivateKey(key).der()


def test_scanner_knows_every_key_in_a_secret(stack: Stack, keys: Path, scanner: Scanner) -> None:
    delivered = set(in_secrets(stack))
    noted = set(sealed(keys))  # read last: a key renewed meanwhile was recorded before its delivery
    assert len(delivered) >= 4
    assert delivered <= noted


@pytest.mark.parametrize(
    "leak",
    [
        lambda key: key.pem(),
        lambda key: json.dumps({"message": key.pem()}),
        lambda key: json.dumps(json.dumps(key.pem())),
        lambda key: repr(key.pem()),
        lambda key: key.pem().splitlines()[2],
        lambda key: base64.b64encode(key.der()).decode(),
        lambda key: base64.urlsafe_b64encode(b"x" + key.der()).decode(),
        lambda key: base64.encodebytes(b"xy" + key.der()).decode(),
        lambda key: key.der().hex(),
        lambda key: f"tried with {key.der()!r}",
        lambda key: str(key._key.private_numbers().private_value),
    ],
    ids=["pem", "json", "json in json", "repr", "one line", "base64", "base64url", "base64 lines", "hex", "bytes", "number"],
)  # fmt: skip
def test_scanner_finds_a_planted_key(leak: Callable[[PrivateKey], str]) -> None:
    scanner, key = Scanner(), PrivateKey.generate("EC_prime256v1")
    scanner.know_key("it", key.der())
    other = PrivateKey.generate("EC_prime256v1")
    assert scanner.find(["nothing", f"a log line with {leak(key)} in it"]) == {"it"}
    assert scanner.find([f"a log line with {leak(other)} in it"]) == set()


KINDS = {
    "universal-auth": "client secret of a login", "kubernetes": "token of a login", "azure": "token of a login",
    "gcp-id-token": "token of a login", "gcp-iam": "service account's key", "ldap-auth": "password of a login",
}  # fmt: skip


def test_scanner_finds_each_login_in_its_secret(stack: Stack, infisical: Planted, scanner: Scanner) -> None:
    """Logins were put there by the test; the AWS login stores nothing."""
    kept = proofs(infisical)
    assert {*kept, "aws-iam"} == set(LOGINS.entries) == {*KINDS, "aws-iam"}
    client = stack.client("secretsmanager")
    names = [one["Name"] for page in client.get_paginator("list_secrets").paginate() for one in page["SecretList"]]
    for kind, what in KINDS.items():
        (name,) = [name for name in names if name.startswith(f"{CREDENTIALS}/login-") and name.endswith(f"-{kind}")]
        assert scanner.find([client.get_secret_value(SecretId=name)["SecretString"]]) == {what}, kind


def test_scanner_knows_all_access_tokens_and_server_keys(stack: Stack, infisical: Planted, scanner: Scanner) -> None:
    assert len(infisical.tokens.given) >= len(LOGINS.entries)
    for text in infisical.tokens.given:
        assert scanner.find([f"Authorization: Bearer {text}"]) == {"access token"}
    made = [one for one in infisical.issued if one.private_key]
    assert len(made) >= 3
    for one in made:
        assert scanner.find([json.dumps({"privateKey": one.private_key})])


@pytest.mark.parametrize("form", [str, lambda text: base64.b64encode(f"id:{text}".encode()).decode()])
def test_scanner_finds_tokens_planted_in_the_stack(
    stack: Stack, canaries: Canaries, scanner: Scanner, form: Callable[[str], str]
) -> None:
    assert scanner.find([f"authorization: {form(canaries.token)}"]) == {"the token"}
    everything = map(json.dumps, stack.items(table=stack.outputs["IssuersTable"]))
    assert scanner.find(everything) == {"the token", "the client secret"}  # in the places where this test put them


def test_logs_contain_no_secret(stack: Stack, scanner: Scanner) -> None:
    logs = stack.client("logs")
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    assert {f"/evercert/{STACK}/issuer", f"/evercert/{STACK}/checker"} <= set(groups)
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        assert scanner.find(event["message"] for page in pages for event in page["events"]) == set(), group


@pytest.mark.parametrize("table", ["CertificatesTable", "IssuersTable"])
def test_tables_contain_no_secret(stack: Stack, canaries: Canaries, scanner: Scanner, table: str) -> None:
    items = stack.items(table=stack.outputs[table])
    assert items
    for item in items:
        ours = (
            canaries.planted.get(item["pk"]["S"], set()) if item.get("sk", {"S": "record"})["S"] == "record" else set()
        )
        left = {name: value for name, value in item.items() if name not in ours}
        assert scanner.find([json.dumps(unpacked(left))]) == set(), item["pk"]


def test_events_contain_no_secret(announced: Callable[[], list[Event]], scanner: Scanner) -> None:
    events = announced()
    assert events
    assert scanner.find(map(json.dumps, events)) == set()


@pytest.mark.parametrize("queue", ["Queue", "DeadLetters"])
def test_queues_contain_no_secret(stack: Stack, scanner: Scanner, queue: str) -> None:
    stack.client("sqs").send_message(
        QueueUrl=stack.outputs[queue], MessageBody='{"certificate": "peek"}', DelaySeconds=60
    )
    address = urllib.parse.quote(stack.outputs[queue], safe="")
    with urllib.request.urlopen(f"{stack.running.url}/_ministack/sqs/messages?QueueUrl={address}") as answer:
        text = answer.read().decode()
    assert "peek" in text  # every message is visible, delayed ones too
    assert scanner.find([text]) == set()


def test_metrics_contain_no_secret(stack: Stack, scanner: Scanner) -> None:
    pages = stack.client("cloudwatch").get_paginator("list_metrics").paginate()
    assert scanner.find(json.dumps(metric) for page in pages for metric in page["Metrics"]) == set()


def test_command_output_contains_no_secret(stack: Stack, scanner: Scanner) -> None:
    assert len(stack.said) > 20
    assert scanner.find(stack.said) == set()

"""P9 for network issuers: credentials go only to their own address, and requests only to permitted addresses.

The definitions are put into their table as items, bypassing the checks of `apply`. The proof is that the server at
the targeted address receives nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.issuers import ISSUERS
from tests.doubles.infisical import Planted
from tests.stack.conftest import Stack, until
from tests.stack.manual_items import planted, wanted
from tests.tools.local_infisical import CREDENTIALS, beside, definition
from tests.tools.local_stack import ROOT

pytestmark = pytest.mark.timeout(300)

DENIED = {"AccessDeniedException", "AccessDenied"}
LISTED = "169.254.169.254"  # listed in samconfig.toml; refused even if an operator permits it
Event = dict[str, Any]


@dataclass
class Misled:
    """An issuer's definition, and the expected words of its one refusal."""

    definition: dict[str, Any]
    words: str
    name: str = ""


@pytest.fixture(scope="module")
def mark() -> str:
    return uuid.uuid4().hex[:6]


@pytest.fixture(scope="module")
def trap(stack: Stack):
    """Start a server that would accept any credential."""
    with beside(stack.running) as server:
        stack.doubles.append(server)
        yield server


@pytest.fixture(scope="module")
def misled(stack: Stack, trap: Planted, mark: str) -> dict[str, Misled]:
    """Store all definitions, each with a certificate that is due."""
    keep, login = _Keeper(stack, mark), {"client-id": trap.client_id, "client-secret": trap.client_secret}
    good = keep.secret("trap", {"address": trap.address, **login})
    other = keep.secret("other", {"address": "https://app.infisical.com", **login})
    port = keep.secret("port", {"address": trap.address.rpartition(":")[0], **login})
    plain = keep.secret("plain", {"address": trap.address.replace("https:", "http:"), **login})
    unbound = keep.secret("unbound", login)
    theirs = keep.secret("theirs", {"address": trap.address, **login}, folder="production")
    listed = keep.secret("listed", {"address": f"https://{LISTED}", **login})
    at_listed = {"address": f"https://{LISTED}", "ca-bundle": None}
    parameter = keep.parameter("other", {"address": "https://app.infisical.com", **login})

    def case(words: str, credentials: dict[str, str] = good, **changes: Any) -> Misled:
        auth = {"type": "universal-auth", "credentials": credentials}
        return Misled(definition(trap, auth, **changes), words)

    found = {
        "credential for another host": case("is for https://app.infisical.com, so it is not sent to", other),
        "credential for another port": case("is not sent to", port),
        "credential for http": case("is not sent to", plain),
        "credential without an address": case("is not bound to an address", unbound),
        "parameter for another host": case("is for https://app.infisical.com, so it is not sent to", parameter),
        "secret of another folder": case("must be evercert/credentials/NAME", theirs),
        "parameter of another folder": case(
            "must be /evercert/credentials/NAME", {"aws-parameter": f"/production/{mark}"}
        ),
        "certificate for a credential": case(
            "must be evercert/credentials/NAME", {"aws-secret": "evercert/certificates/web"}
        ),
        "folder by a path": case("does not exist", {"aws-secret": f"{CREDENTIALS}/../../production/theirs-{mark}"}),
        "host that is not listed": case("to the stack's parameter IssuerHosts", address="https://ca.example"),
        "address of this network": case("to the stack's parameter IssuerHosts", address="https://10.0.0.1"),
        "listed metadata service": case("a link-local address, where metadata services are", listed, **at_listed),
        "metadata service without TLS": case("must be https://", address=f"http://{LISTED}"),
        "metadata service by a number": case("neither a DNS name nor an IP address", address="https://2852039166"),
        "user in the address": case(
            "has a user, a query or a fragment", address=trap.address.replace("//", "//169.254.169.254@")
        ),
    }
    for what, one in found.items():
        one.name = f"{what.replace(' ', '-')}-{mark}"
        keep.issuer(one.name, one.definition)
        keep.due(one.name)
    return found


class _Keeper:
    """Store items as manual edits would."""

    def __init__(self, stack: Stack, mark: str) -> None:
        self.stack, self.mark = stack, mark

    def secret(self, name: str, value: dict[str, Any], folder: str = CREDENTIALS) -> dict[str, str]:
        name = f"{folder}/{name}-{self.mark}"
        self.stack.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(value))
        return {"aws-secret": name}

    def parameter(self, name: str, value: dict[str, Any]) -> dict[str, str]:
        name = f"/{CREDENTIALS}/{name}-{self.mark}"
        self.stack.client("ssm").put_parameter(Name=name, Value=json.dumps(value), Type="SecureString")
        return {"aws-parameter": name}

    def issuer(self, name: str, content: dict[str, Any]) -> None:
        given = {key: value for key, value in content.items() if value is not None}
        item = {"pk": {"S": f"issuer#{name}"}, "definition": {"S": json.dumps(given)}}
        self.stack.client("dynamodb").put_item(TableName=self.stack.outputs["IssuersTable"], Item=item)

    def due(self, name: str, issuer: str | None = None, **attributes: Any) -> None:
        item = planted(name, wanted(name, issuer=issuer or name), **attributes)
        self.stack.client("dynamodb").put_item(TableName=self.stack.table, Item=item)


@pytest.fixture(scope="module")
def said(announced: Callable[[], list[Event]], misled: dict[str, Misled]) -> dict[str, list[Event]]:
    """Return the events by certificate name, once every definition has one."""
    names = {one.name for one in misled.values()}

    def unheard() -> set[str]:
        return names - {event["subject"] for event in announced()}

    assert until(lambda: not unheard(), 200), unheard()  # condemned certificates come first
    return {name: [event for event in announced() if event["subject"] == name] for name in names}


WHAT = [
    "credential for another host", "credential for another port", "credential for http", "credential without an address",
    "parameter for another host", "secret of another folder", "parameter of another folder",
    "certificate for a credential", "folder by a path", "host that is not listed", "address of this network",
    "listed metadata service", "metadata service without TLS", "metadata service by a number", "user in the address",
]  # fmt: skip


def test_definition_list_is_complete(misled: dict[str, Misled]) -> None:
    assert list(misled) == WHAT


def test_network_issuers_are_known() -> None:
    """A new network issuer needs cases of its own here; those of ACME are in tests/contract/issuers/acme/test_bad_input.py.

    Definitions of AWS Private CA have no address: its client talks to AWS only.
    """
    assert set(ISSUERS.entries) == {"self-signed", "infisical", "acme", "aws-private-ca"}


@pytest.mark.parametrize("what", WHAT)
def test_misleading_definition_ends_in_one_announced_failure(what: str, misled: dict[str, Misled], said) -> None:
    one = misled[what]
    (event,) = said[one.name]
    assert (event["type"], event["data"]["kind"]) == ("certificate.failed", "misconfigured")
    assert one.words in event["data"]["message"]
    assert event["data"]["message"].isprintable()


def test_trap_receives_no_request(trap: Planted, said) -> None:
    assert trap.calls == []
    assert trap.logins == []
    assert trap.tokens.given == []


def test_trap_accepts_its_own_credential(
    stack: Stack, trap: Planted, misled: dict[str, Misled], said, mark: str
) -> None:
    """Only the address kept the others away: the same definition works with a credential for this address."""
    keep, name = _Keeper(stack, mark), f"open-{mark}"
    content = misled["credential for another host"].definition
    auth = {"type": "universal-auth", "credentials": {"aws-secret": f"{CREDENTIALS}/trap-{mark}"}}
    keep.issuer(name, {**content, "auth": auth})
    keep.due(name)
    assert until(lambda: trap.logins == ["universal"], 60)


@pytest.mark.parametrize("where", ["production/theirs-{}", "evercert/certificates/web"])
def test_iam_refuses_references_outside_the_credentials_folder(stack: Stack, misled, mark: str, where: str) -> None:
    role = stack.role(stack.resource("IssuerRole"))
    with pytest.raises(ClientError) as refused:
        stack.client("secretsmanager", **role).get_secret_value(SecretId=where.format(mark))
    assert refused.value.response["Error"]["Code"] in DENIED


RUN = """
import app, json, sys
print("\\n" + json.dumps(app.handler({"Records": [{"messageId": "1", "body": sys.argv[1]}]}, None)))
"""


@pytest.mark.parametrize(
    ("address", "hosts", "words"),
    [
        ("https://127.0.0.1:{}", "app.infisical.com", "to the stack's parameter IssuerHosts"),
        ("https://127.0.0.1:{}", "127.0.0.1", "a loopback address"),
        ("https://localhost:{}", "localhost", "a loopback address"),
        ("http://localhost:{}", "localhost", "must be https://"),
    ],
    ids=["not listed", "listed", "by its name", "without TLS"],
)
def test_deployed_function_refuses_loopback_addresses(
    stack: Stack, announced, tmp_path: Path, address: str, hosts: str, words: str
) -> None:
    """Run the function with its role, without the local stack's permission to call this machine."""
    with beside(stack.running) as server:
        stack.doubles.append(server)
        keep, where = _Keeper(stack, uuid.uuid4().hex[:6]), address.format(server.address.rpartition(":")[2])
        login = {"client-id": server.client_id, "client-secret": server.client_secret}
        auth = {"type": "universal-auth", "credentials": keep.secret("home", {"address": where, **login})}
        name = f"home-{keep.mark}"
        keep.issuer(name, definition(server, auth, address=where))
        keep.due(name, due_at="2999-01-01T00:00:00.000Z")  # so that the stack's own function ignores it
        code, out = _function(stack, json.dumps({"certificate": name}), hosts)
        assert code == 0, out
        assert until(lambda: name in {event["subject"] for event in announced()}, 20), out
        (event,) = [event for event in announced() if event["subject"] == name]
        assert words in event["data"]["message"]
        assert server.calls == []


def _function(stack: Stack, body: str, hosts: str) -> tuple[int, str]:
    """Process one message in a new process with the deployed function's environment and role."""
    deployed = stack.client("lambda").get_function_configuration(FunctionName=stack.outputs["IssuerFunction"])
    role = stack.role(stack.resource("IssuerRole"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT / 'layers' / 'evercert'}:{ROOT / 'functions' / 'issuer'}",
        **stack.running.environment,
        **{name.upper(): value for name, value in role.items()},
        **deployed["Environment"]["Variables"],
        "ISSUER_HOSTS": hosts,
    }
    assert not [name for name in environment if name.startswith("EVERCERT_")]
    command = [sys.executable, "-c", RUN, body]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout[-2000:] + done.stderr[-2000:]

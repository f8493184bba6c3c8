"""Read credentials from Secrets Manager and Parameter Store on the emulator; each is bound to one address."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.aws.clients import Clients
from evercert.aws.credential_reader import Credentials
from evercert.documents.secret_reference import Reference
from evercert.errors import EvercertError, Misconfigured, Unavailable
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World

ADDRESS = "https://ca.example"
CANARY = "canary-value"
KINDS = ["aws-secret", "aws-parameter"]


class Stored:
    """Stores a text under a new name, as an operator does; reads it as the issuer does."""

    def __init__(self, world: World, kind: str) -> None:
        self.clients, self.kind = world.operator, kind
        self.credentials = Credentials(world.clients)
        self.name = f"{'/' if kind == 'aws-parameter' else ''}evercert/credentials/{uuid.uuid4().hex}"

    def put(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        if self.kind == "aws-parameter":
            self.clients.ssm.put_parameter(Name=self.name, Value=text, Type="SecureString", Overwrite=True)
            return
        try:
            self.clients.secretsmanager.create_secret(Name=self.name, SecretString=text)
        except ClientError:
            self.clients.secretsmanager.put_secret_value(SecretId=self.name, SecretString=text)

    def reference(self, key: str | None = None) -> Reference:
        return Reference.model_validate({self.kind: f"{self.name}#{key}" if key else self.name})

    def read(self, address: str = ADDRESS, key: str | None = None, default: str | None = None) -> Any:
        return self.credentials.read(self.reference(key), address, key=default)


@pytest.fixture(params=KINDS)
def stored(world: World, request: pytest.FixtureRequest) -> Stored:
    world.switch.arm(None)
    return Stored(world, request.param)


def test_credential_is_read_whole_or_by_key(stored: Stored) -> None:
    stored.put({"address": "https://CA.example:443/api", "client-id": "i", "client-secret": CANARY})
    assert stored.read() == {"client-id": "i", "client-secret": CANARY}
    assert stored.read(key="client-secret") == CANARY
    assert stored.read(default="client-id") == "i"
    assert stored.read(key="client-secret", default="client-id") == CANARY


def test_credential_rotation_takes_effect_on_the_next_read(stored: Stored) -> None:
    for value in ("one", "two"):
        stored.put({"address": ADDRESS, "k": value})
        assert stored.read(key="k") == value


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test",
        "https://ca.example:8443",
        "http://ca.example",
        "https://ca.example.evil.test",
        "https://x.ca.example",
    ],
)
def test_credential_is_refused_for_another_address(stored: Stored, address: str) -> None:
    stored.put({"address": ADDRESS, "k": CANARY})
    with pytest.raises(Misconfigured, match=r"is for https://ca\.example, so it is not sent to") as raised:
        stored.read(address, key="k")
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (CANARY, "is not a JSON object"),
        ('"canary-value"', "is not a JSON object"),
        ('["canary-value"]', "is not a JSON object"),
        ("[" * 2_000, "is not a JSON object"),
        ({"k": CANARY}, "is not bound to an address"),
        ({"address": None, "k": CANARY}, "is not bound to an address"),
        ({"address": ["https://ca.example"], "k": CANARY}, "is not bound to an address"),
        ({"address": "ca.example", "k": CANARY}, r"invalid address; write https://ca\.example"),
        (
            {"address": "https://user:canary-value@ca.example", "k": CANARY},
            r"invalid address; write https://ca\.example",
        ),
        ({"address": "st.canary-value.abc", "k": CANARY}, "invalid address"),
        ({"address": "canary-value", "k": CANARY}, "invalid address"),
        ({"address": ADDRESS, "other": CANARY}, "has no key 'k'"),
    ],
)
def test_invalid_credential_is_reported_without_its_text(stored: Stored, value: Any, message: str) -> None:
    stored.put(value)
    with pytest.raises(Misconfigured, match=message) as raised:
        stored.read(key="k")
    assert CANARY not in str(raised.value)
    assert stored.name in str(raised.value)


def test_missing_credential_is_reported_with_its_name(stored: Stored) -> None:
    with pytest.raises(Misconfigured, match="does not exist in this region; create it") as raised:
        stored.read()
    assert stored.name in str(raised.value)


class Refusing:
    """A client whose every call raises the same error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> Any:
        def call(**_: Any) -> None:
            raise self._error

        return call


class RefusingClients(Clients):
    """Clients whose calls to both services fail."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.__dict__["secretsmanager"] = self.__dict__["ssm"] = Refusing(error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        ("AccessDeniedException", Misconfigured, "lacks a permission"),
        ("ThrottlingException", Unavailable, "Throttling"),
        ("DecryptionFailure", Misconfigured, "DecryptionFailure"),
        ("InternalServiceError", Unavailable, "Internal"),
    ],
)
def test_credential_reader_maps_aws_errors_to_error_kinds(
    kind: str, code: str, expected: type[EvercertError], words: str
) -> None:
    name = "evercert/credentials/x" if kind == "aws-secret" else "/evercert/credentials/x"
    reference = Reference.model_validate({kind: name})
    with pytest.raises(expected, match=words) as raised:
        Credentials(RefusingClients(refuse(code, "Read", "no", 400))).read(reference, ADDRESS)
    assert name in str(raised.value)

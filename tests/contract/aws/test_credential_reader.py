"""Credentials in Secrets Manager and Parameter Store, at the emulator: each is for one address, and sent nowhere else."""

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
    """Stores a text under a new name, as an operator does, and reads it as the issuer does."""

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


def test_it_is_read_whole_or_by_key_for_its_own_address(stored: Stored) -> None:
    stored.put({"address": "https://CA.example:443/api", "client-id": "i", "client-secret": CANARY})
    assert stored.read() == {"client-id": "i", "client-secret": CANARY}
    assert stored.read(key="client-secret") == CANARY
    assert stored.read(default="client-id") == "i"
    assert stored.read(key="client-secret", default="client-id") == CANARY


def test_a_rotated_value_counts_from_the_next_time_on(stored: Stored) -> None:
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
def test_it_is_not_given_out_for_another_address(stored: Stored, address: str) -> None:
    stored.put({"address": ADDRESS, "k": CANARY})
    with pytest.raises(Misconfigured, match=r"is for https://ca\.example, and is not sent to") as raised:
        stored.read(address, key="k")
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (CANARY, "holds no JSON object"),
        ('"canary-value"', "holds no JSON object"),
        ('["canary-value"]', "holds no JSON object"),
        ("[" * 2_000, "holds no JSON object"),
        ({"k": CANARY}, "does not say which address it is for"),
        ({"address": None, "k": CANARY}, "does not say which address it is for"),
        ({"address": ["https://ca.example"], "k": CANARY}, "does not say which address it is for"),
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
def test_what_is_no_credential_is_told_without_a_word_of_it(stored: Stored, value: Any, message: str) -> None:
    stored.put(value)
    with pytest.raises(Misconfigured, match=message) as raised:
        stored.read(key="k")
    assert CANARY not in str(raised.value)
    assert stored.name in str(raised.value)


def test_one_that_is_not_there_is_told_with_its_name(stored: Stored) -> None:
    with pytest.raises(Misconfigured, match="does not exist in this region; create it") as raised:
        stored.read()
    assert stored.name in str(raised.value)


class Refusing:
    """A client whose every call meets the same error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> Any:
        def call(**_: Any) -> None:
            raise self._error

        return call


class RefusingClients(Clients):
    """Both services refuse."""

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
def test_what_aws_refuses_is_sorted_by_what_to_do(
    kind: str, code: str, expected: type[EvercertError], words: str
) -> None:
    name = "evercert/credentials/x" if kind == "aws-secret" else "/evercert/credentials/x"
    reference = Reference.model_validate({kind: name})
    with pytest.raises(expected, match=words) as raised:
        Credentials(RefusingClients(refuse(code, "Read", "no", 400))).read(reference, ADDRESS)
    assert name in str(raised.value)

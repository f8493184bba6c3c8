"""The signer's entry point with its adapters: each order gets one response and one log line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.signing_orders import CrlOrder
from evercert.authority.signer.wire_format import decode_answer, encode_crl, encode_leaf
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.key_policies import Roles, of_issuing
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.identifiers import parse
from tests.doubles.authority.ceremony import Ceremony, order
from tests.doubles.world import World


class EmulatedKMS:
    """The emulator's KMS with the key creation method of the strict double."""

    def __init__(self, client: Any, roles: Roles) -> None:
        self.sign, self.get_public_key, self._client = client.sign, client.get_public_key, client
        self._policy = json.dumps(of_issuing(roles, outside=False))

    def add(self, _algorithm: str, _number: int) -> str:
        made = self._client.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Policy=self._policy)
        return made["KeyMetadata"]["Arn"]


@pytest.fixture
def ceremony(world: World, monkeypatch: pytest.MonkeyPatch) -> Ceremony:
    configuration = world.authority_table("AuthorityConfigurationTable")
    monkeypatch.setenv("AUTHORITY_CONFIGURATION", configuration)
    world.ledger = world.authority_table("AuthorityLedgerTable")
    monkeypatch.setenv("AUTHORITY_LEDGER", world.ledger)
    monkeypatch.setenv("AUTHORITY_ADDRESS", "https://ca.example.com")
    arn = world.deployment.arn
    roles = Roles(arn("SignerRole"), (arn("CheckerRole"), arn("IssuerRole"), arn("AuthorityRole")))
    made = Ceremony(now=datetime.now(UTC), kms=EmulatedKMS(world.operator.kms, roles))
    ConfigurationWriter(world.operator.dynamodb, configuration).write(made.root, made.issuing)
    return made


@pytest.fixture
def signer(ceremony: Ceremony, function) -> Callable[[], ModuleType]:
    """Return a function that loads the signer, because its log goes to the output of that moment."""
    return cache(lambda: function("signer"))


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (found,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    return found


def test_leaf_is_signed_once_and_logged_in_one_line(signer, ceremony: Ceremony, context, capsys) -> None:
    asked = order(ceremony.issuing, datetime.now(UTC))
    der = decode_answer(signer().handler(encode_leaf(asked), context))
    found = x509.load_der_x509_certificate(der)
    found.verify_directly_issued_by(ceremony.issuing.current.x509)
    told = line(capsys)["message"]
    assert told == {
        "outcome": "signed", "verb": "leaf", "order": asked.id, "ca": asked.ca, "profile": "shop/tls-server",
        "serial_number": f"{found.serial_number:x}",
    }  # fmt: skip
    assert decode_answer(signer().handler(encode_leaf(asked), context)) == der


def test_crl_is_signed(signer, ceremony: Ceremony, context, capsys) -> None:
    now = datetime.now(UTC)
    asked = CrlOrder(ceremony.issuing.id, 7, now, now + timedelta(days=7), ())
    der = decode_answer(signer().handler(encode_crl(asked), context))
    assert x509.load_der_x509_crl(der).is_signature_valid(ceremony.issuing.current.x509.public_key())
    told = line(capsys)["message"]
    assert told == {"outcome": "signed", "verb": "crl", "ca": asked.ca, "number": 7, "revoked": 0}


def test_refusal_is_logged_and_leaves_nothing(signer, ceremony: Ceremony, world: World, context, capsys) -> None:
    asked = order(ceremony.issuing, datetime.now(UTC), names=(parse("email:me@example.com"),))
    with pytest.raises(Refusal, match="outside the CA's ceiling"):
        decode_answer(signer().handler(encode_leaf(asked), context))
    told = line(capsys)
    assert (told["level"], told["message"]["outcome"], told["message"]["order"]) == ("WARNING", "refused", asked.id)
    assert world.operator.dynamodb.scan(TableName=world.ledger)["Items"] == []


@pytest.mark.parametrize("event", [None, [], {}, {"verb": "sign", "tbs": "MII"}, "x"], ids=str)
def test_malformed_order_is_answered(signer, context, capsys, event) -> None:
    assert set(signer().handler(event, context)) == {"refused"}
    assert line(capsys)["message"]["outcome"] == "refused"


def test_disabled_key_is_misconfigured(signer, ceremony: Ceremony, world: World, context, capsys) -> None:
    world.operator.kms.disable_key(KeyId=ceremony.issuing.key)
    with pytest.raises(Misconfigured, match="DisabledException"):
        decode_answer(signer().handler(encode_leaf(order(ceremony.issuing, datetime.now(UTC))), context))
    assert line(capsys)["message"]["outcome"] == "misconfigured"


def start_again(module: ModuleType) -> None:
    """Let the function prepare itself again, with the current clock."""
    module._deadline.cache_clear()
    module._service.cache_clear()


def test_signer_without_time_left_stops_and_resumes(signer, ceremony: Ceremony, context, capsys, monkeypatch) -> None:
    """Lambda would end it in the middle of a call; the clock of this test advances six seconds on each reading."""
    asked, start = order(ceremony.issuing, datetime.now(UTC)), datetime.now(UTC)
    ticks = iter(range(0, 600, 6))
    with monkeypatch.context() as slowly:
        slowly.setattr(signer(), "now", lambda: start + timedelta(seconds=next(ticks)))
        start_again(signer())
        context.get_remaining_time_in_millis = lambda: 15_000
        with pytest.raises(Unavailable, match=r"too slowly.*; try again"):
            decode_answer(signer().handler(encode_leaf(asked), context))
    assert line(capsys)["message"]["outcome"] == "unavailable"
    start_again(signer())
    context.get_remaining_time_in_millis = lambda: 15_000
    assert decode_answer(signer().handler(encode_leaf(asked), context))


def test_internal_error_is_reported_without_its_text(signer, ceremony: Ceremony, context, capsys, monkeypatch) -> None:
    asked = order(ceremony.issuing, datetime.now(UTC))

    class Buggy:
        def leaf(self, _: object) -> bytes:
            raise RuntimeError("s3cret")

    monkeypatch.setattr(signer(), "_service", Buggy)
    with pytest.raises(Unavailable, match="a bug in evercert: RuntimeError"):
        decode_answer(signer().handler(encode_leaf(asked), context))
    told = line(capsys)
    assert told["message"]["outcome"] == "unexpected"
    assert "s3cret" not in str(told)


def test_other_certificate_with_a_known_id_is_refused(signer, ceremony: Ceremony, context) -> None:
    asked = order(ceremony.issuing, datetime.now(UTC))
    decode_answer(signer().handler(encode_leaf(asked), context))
    with pytest.raises(Refusal, match="id already used for another certificate"):
        decode_answer(signer().handler(encode_leaf(replace(asked, profile="shop/other")), context))

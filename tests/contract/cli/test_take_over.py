"""`evercert take-over`: who may use the retained keys before and after it, judged by the evaluator of tests/iam."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.authority.ca.definition import CA, Ceiling
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.key_policies import Roles, of_issuing, of_root
from evercert.aws.clients import Clients
from evercert.cli import terminal
from evercert.cli.app import run
from evercert.cli.connection import Connection
from evercert.cli.doctor import retained_key_checks, stack_checks
from tests.doubles.world import World
from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request, evaluate
from tests.iam.judge import ROLES
from tests.iam.policies import statements
from tests.tools.local_stack import ACCOUNT, REGION

DATA_KEYS, SEAL_KEYS = ("DataKey",), ("SealKey", "AuthoritySealKey")
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
# What the functions do with each key, on behalf of which service.
USES = [
    *((who, "DataKey", "kms:Decrypt", "dynamodb") for who in ROLES),
    ("issuer", "SealKey", "kms:Encrypt", ""), ("issuer", "SealKey", "kms:Decrypt", ""),
    ("authority", "AuthoritySealKey", "kms:Encrypt", ""), ("authority", "AuthoritySealKey", "kms:Decrypt", ""),
    ("signer", "issuing", "kms:Sign", ""),
]  # fmt: skip
Use = tuple[str, str, str, str]
OTHERS = ("checker", "issuer", "authority")  # that key policies of CAs name
BOTH = {"Authority": "yes", "Responder": "yes", "ReportBucket": "reports"}


def physical(stack: str) -> dict[str, str]:
    return {role: f"{stack}-{role}-1" for role in ROLES.values()}


def roles_of(deployment: Deployment) -> Roles:
    return Roles(deployment.arn("SignerRole"), tuple(deployment.arn(ROLES[who]) for who in OTHERS))


class Retained:
    """The keys of a deleted stack `old-…` on the emulator, and a stack `new-…` that has its tables."""

    def __init__(self, world: World) -> None:
        self.kms, self.iam = world.operator.kms, world.operator.client("iam")
        mark = uuid.uuid4().hex[:8]
        self.old = Deployment(BOTH, stack=f"old-{mark}", physical=physical(f"old-{mark}"))
        documents = {name: self.old.key_documents[self.old.arn(name)] for name in (*DATA_KEYS, *SEAL_KEYS)}
        documents |= {"root": of_root(roles_of(self.old)), "issuing": of_issuing(roles_of(self.old), outside=False)}
        self.keys = {name: self._key(name, document) for name, document in documents.items()}
        own = {name: self.keys[name] for name in (*DATA_KEYS, *SEAL_KEYS)}
        self.old = replace(self.old, physical={**self.old.physical, **own})
        self.tables = {"RestoredTable": "t", "RestoredIssuersTable": "i", "RestoredConfigurationTable": "c"}
        self.tables |= {"RestoredAuthorityTable": "a", "RestoredLedgerTable": "l"}
        self.all = {**self.tables, "RestoredStack": self.old.stack}
        self.all |= {f"Restored{name}": key for name, key in own.items()}
        self.new = self.stack(f"new-{mark}", self.all)
        self.configuration = world.authority_table("AuthorityConfigurationTable")
        root = CA(id="0", name="root", kind="root", status="pending", key=self.keys["root"], algorithm="EC_secp384r1")
        issuing = CA(
            id="1", name="issuing", kind="issuing", status="pending", key=self.keys["issuing"], algorithm="EC_prime256v1",
            parent="0", ceiling=Ceiling(),
        )  # fmt: skip
        ConfigurationWriter(world.operator.dynamodb, self.configuration).write(root, issuing)

    def _key(self, name: str, document: dict[str, Any]) -> str:
        signs = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"} if name in ("root", "issuing") else {}
        return str(self.kms.create_key(Policy=json.dumps(document), **signs)["KeyMetadata"]["Arn"])

    def stack(self, name: str, parameters: dict[str, str]) -> Deployment:
        return Deployment({**BOTH, **parameters}, stack=name, physical=physical(name))

    def connection(self, clients: Clients) -> Connection:
        outputs = {role: self.new.arn(role) for role in ROLES.values()}
        outputs |= {"AuthorityConfiguration": self.configuration, "AuthorityAddress": "https://ca.example.com"}
        parameters, none = dict(self.new.parameters), SimpleNamespace()
        return Connection(self.new.stack, "id", "CREATE_COMPLETE", clients, outputs, parameters, none, none)  # type: ignore[arg-type]

    def policy(self, key: str) -> dict[str, Any]:
        found = self.kms.get_key_policy(KeyId=self.keys[key], PolicyName="default")["Policy"]
        return dict(json.loads(found))

    def may(self, stack: Deployment, who: str, key: str, action: str, service: str = "", name: str = "") -> bool:
        """Whether a role of the stack may use a key of the old stack, for data of the old stack."""
        context: dict[str, Any] = {"kms:CallerAccount": ACCOUNT}
        if service:
            context["kms:ViaService"] = f"{service}.{REGION}.amazonaws.com"
        if key in SEAL_KEYS:
            context["kms:EncryptionContext:evercert:stack"] = name or self.old.stack
        if action == "kms:Sign":
            context["kms:MessageType"] = "DIGEST"
        request = Request(stack.arn(ROLES[who]), action, self.keys[key], context)
        return evaluate(request, stack.roles[ROLES[who]], statements(self.policy(key), key)).allowed

    def uses(self, stack: Deployment) -> set[Use]:
        return {use for use in USES if self.may(stack, *use)}


@pytest.fixture
def retained(world: World) -> Retained:
    return Retained(world)


@pytest.fixture
def clients(world: World) -> Clients:
    return Clients(session=world.operator.session)


@pytest.fixture
def take_over(
    retained: Retained, clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setattr(terminal, "connect", lambda *_: retained.connection(clients))

    def called(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evercert", "take-over", *arguments, "--stack", retained.new.stack])
        with pytest.raises(SystemExit) as ended:
            run()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return called


def test_take_over_moves_keys_from_old_roles_to_new(retained: Retained, take_over: Callable[..., Any]) -> None:
    """A third stack is denied throughout, also with the parameters of the new one."""
    third, posing = retained.stack("third", {}), retained.stack("third", retained.all)
    through_dynamodb = {use for use in USES if use[1] == "DataKey"}
    assert retained.uses(retained.old) == set(USES)
    assert retained.uses(retained.stack(retained.new.stack, retained.tables)) == set()  # without the keys' parameters
    assert retained.uses(retained.new) == through_dynamodb  # with them, before the command
    assert retained.uses(third) == set()
    assert retained.uses(posing) == through_dynamodb  # key policies alone decide about the other keys
    code, out, err = take_over("--yes")
    assert (code, err) == (0, ""), out
    assert len(out.splitlines()) == 4
    assert retained.uses(retained.new) == set(USES)
    assert retained.uses(retained.old) == through_dynamodb
    assert retained.uses(third) == set()
    assert retained.uses(posing) == through_dynamodb


def test_take_over_leaves_other_uses_denied(retained: Retained, take_over: Callable[..., Any]) -> None:
    assert take_over("--yes")[0] == 0
    new = retained.new
    for who in ROLES:
        assert not retained.may(new, who, "DataKey", "kms:Decrypt")  # not through DynamoDB
        assert not retained.may(new, who, "DataKey", "kms:Decrypt", "sqs")
        assert retained.may(new, who, "SealKey", "kms:Decrypt") is (who == "issuer")
        assert retained.may(new, who, "AuthoritySealKey", "kms:Decrypt") is (who == "authority")
        assert retained.may(new, who, "issuing", "kms:Sign") is (who == "signer")
        assert not retained.may(new, who, "root", "kms:Sign")
        assert not retained.may(new, who, "issuing", "kms:PutKeyPolicy")
    assert not retained.may(new, "issuer", "SealKey", "kms:Decrypt", name=new.stack)


def test_take_over_refuses_keys_that_a_stack_still_uses(retained: Retained, take_over: Callable[..., Any]) -> None:
    name = retained.old.arn("IssuerRole").rpartition("/")[2]
    retained.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    code, out, err = take_over("--yes")
    assert (code, out) == (1, "")
    assert f"role {name}, which its policy names, still exists; delete the stack" in err
    assert retained.uses(retained.old) == set(USES)
    retained.iam.delete_role(RoleName=name)
    assert take_over("--yes")[0] == 0


def test_take_over_confirms_and_repeats_without_changes(retained: Retained, take_over: Callable[..., Any]) -> None:
    code, out, err = take_over()
    assert (code, out) == (2, "")
    assert "pass --yes" in err
    assert retained.uses(retained.old) == set(USES)
    changed = json.loads(take_over("--yes", "--json")[1])
    assert {one["name"]: one["changed"] for one in changed} == dict.fromkeys(
        ("RestoredSealKey", "RestoredAuthoritySealKey", "key of CA root", "key of CA issuing"), True
    )
    assert not any(one["changed"] for one in json.loads(take_over("--json")[1]))
    assert take_over()[:2] == (0, "nothing to do: 4 keys with the right policy\n")


def test_take_over_of_a_stack_of_its_own_does_nothing(retained: Retained, take_over: Callable[..., Any]) -> None:
    """A stack without restored keys whose CA keys name its own roles."""
    assert take_over("--yes")[0] == 0
    retained.new = replace(retained.new, parameters=BOTH)
    assert take_over() == (0, "nothing to do: 2 keys with the right policy\n", "")


def test_doctor_names_the_command_until_keys_are_taken_over(
    retained: Retained, clients: Clients, take_over: Callable[..., Any]
) -> None:
    def found() -> dict[str, tuple[str, str]]:
        checks = retained_key_checks.of_retained_keys(retained.connection(clients))
        return {
            name: (one.status, one.remedy) for name, check in checks.items() for one in stack_checks.run(name, check)
        }

    names = ("RestoredDataKey", "RestoredSealKey", "RestoredAuthoritySealKey")
    missing = ("failed", "evercert take-over")
    assert found() == dict(zip(names, (("ok", ""), missing, missing), strict=True))
    assert take_over("--yes")[0] == 0
    assert found() == dict.fromkeys(names, ("ok", ""))
    retained.kms.disable_key(KeyId=retained.keys["DataKey"])
    assert found()["RestoredDataKey"][0] == "failed"

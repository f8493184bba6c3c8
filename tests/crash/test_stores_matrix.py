"""P1-P4 for objects and parameters: the process dies before or after any call; one certificate is stored and announced."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from evercert.timestamps import to_text
from tests.crash.sampling import sample
from tests.doubles.fakes import spec
from tests.doubles.world import When, World, assert_pair
from tests.tools.local_stack import REGION

PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Scenario:
    """A destination, and what happens to it before the run that is killed."""

    name: str
    type: str
    form: str = "json"
    begin: str = "issuance"  # or renewal, edit, deletion

    @property
    def revisions(self) -> int:
        return 1 if self.begin == "issuance" else 2

    @property
    def types(self) -> list[str]:
        following = {
            "issuance": [],
            "renewal": [],
            "edit": ["certificate.drifted"],
            "deletion": ["certificate.drifted"],
        }
        renewed = [] if self.begin == "issuance" else ["certificate.renewed"]
        return ["certificate.issued", *following[self.begin], *renewed]


TYPES = ("s3", "ssm-parameter")
SCENARIOS = [
    *(Scenario(f"{type_} {begin}", type_, begin=begin) for type_ in TYPES for begin in ("issuance", "renewal", "edit", "deletion")),
    Scenario("keystore", "secrets-manager", "pkcs12", "renewal"),
]  # fmt: skip


@dataclass
class Stage:
    """One bucket for all scenarios; `begin` takes new names."""

    world: World
    bucket: str
    key: str

    @property
    def places(self) -> dict[str, dict[str, str]]:
        secret = self.world.secret
        return {
            "s3": {"bucket": self.bucket, "key": f"{secret}.json", "kms-key": self.key},
            "ssm-parameter": {"parameter": f"/{secret}"},
            "secrets-manager": {"secret": secret},
        }

    def begin(self, scenario: Scenario) -> None:
        world = self.world
        world.fresh()
        world.judge_as({"DestinationBuckets": f"arn:aws:s3:::{self.bucket}", "SecretKeys": self.key})
        world.look_only_for("web")
        target: dict[str, Any] = {"type": scenario.type, **self.places[scenario.type]}
        if scenario.form == "pkcs12":
            name = f"evercert/credentials/{world.secret.rpartition('/')[2]}"
            text = json.dumps({"passphrase": PASSPHRASE})
            world.operator.secretsmanager.create_secret(Name=name, SecretString=text)
            target |= {"format": "pkcs12", "passphrase": {"aws-secret": name}}
        world.want(spec(destinations=[target]), {"type": "self-signed"})
        if scenario.begin == "issuance":
            return
        world.settle(world.settled)
        record = world.record()
        due = record.renew_at if scenario.begin == "renewal" else record.check_at
        assert due is not None
        world.clock.now = due
        if scenario.begin in ("edit", "deletion"):
            getattr(self, scenario.begin)(scenario.type)

    def edit(self, kind: str) -> None:
        operator, place = self.world.operator, self.places[kind]
        if kind == "s3":
            operator.s3.put_object(Bucket=self.bucket, Key=place["key"], Body=b"{}")
        else:
            operator.ssm.put_parameter(Name=place["parameter"], Value="{}", Type="SecureString", Overwrite=True)

    def deletion(self, kind: str) -> None:
        operator, place = self.world.operator, self.places[kind]
        if kind == "s3":
            operator.s3.delete_object(Bucket=self.bucket, Key=place["key"])
        else:
            operator.ssm.delete_parameter(Name=place["parameter"])

    def run(self, scenario: Scenario, at: int | None, when: When = "before") -> list[str]:
        """Run the whole scenario with one crash; return its calls."""
        self.begin(scenario)
        self.world.switch.arm(at, when)
        self.world.settle(lambda: self.world.settled() and self.world.record().revision >= scenario.revisions)
        self.world.switch.listening = False
        return list(self.world.switch.calls)

    def values(self, kind: str) -> dict[str, Any]:
        """Return the value of every version that a reader can see, by its version; the current one is the last."""
        operator, place = self.world.operator, self.places[kind]
        if kind == "s3":
            found = operator.s3.list_object_versions(Bucket=self.bucket, Prefix=place["key"])["Versions"]
            ordered = sorted(found, key=lambda one: one["IsLatest"])
            read: Callable[[str], Any] = lambda version: operator.s3.get_object(  # noqa: E731
                Bucket=self.bucket, Key=place["key"], VersionId=version
            )["Body"].read()
            return {one["VersionId"]: json.loads(read(one["VersionId"])) for one in ordered}
        if kind == "ssm-parameter":
            pages = operator.ssm.get_parameter_history(Name=place["parameter"], WithDecryption=True)["Parameters"]
            return {str(one["Version"]): json.loads(one["Value"]) for one in pages}
        client, secret = operator.secretsmanager, place["secret"]
        stages = client.describe_secret(SecretId=secret)["VersionIdsToStages"]
        ordered = sorted(stages, key=lambda version: "AWSCURRENT" in stages[version])
        return {
            one: keystore(client.get_secret_value(SecretId=secret, VersionId=one)["SecretBinary"]) for one in ordered
        }


def keystore(data: bytes | str) -> dict[str, str]:
    """Return certificate and key of a keystore in the form of the JSON value."""
    from evercert.pki.certificate import Chain, to_pem
    from evercert.pki.keys import PrivateKey

    loaded = pkcs12.load_pkcs12(data if isinstance(data, bytes) else b64decode(data), PASSPHRASE.encode())
    assert loaded.cert is not None
    leaf, key = loaded.cert.certificate, PrivateKey(loaded.key)  # type: ignore[arg-type]
    pem = to_pem([leaf])
    return {
        "certificate": pem, "fullchain": pem, "private_key": key.pem(), "serial_number": Chain((leaf,)).serial_number,
    }  # fmt: skip


@pytest.fixture(scope="module")
def stage(shared_world: World) -> Stage:
    operator = shared_world.operator
    bucket = f"bucket-{shared_world.secret.rpartition('/')[2]}"
    operator.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    operator.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Stage(shared_world, bucket, operator.kms.create_key()["KeyMetadata"]["Arn"])


def assert_promises(stage: Stage, scenario: Scenario) -> None:
    world, record = stage.world, stage.world.record()
    assert world.switch.after_death == []  # a killed process makes no calls
    # P1: one delivered, recorded, announced certificate, and no claim left
    assert (record.state, record.claim, record.pending) == ("ready", None, None)
    assert record.facts is not None and record.delivered(record.revision)
    (delivery,) = record.deliveries.values()
    values = stage.values(scenario.type)
    version, current = list(values.items())[-1]
    assert (delivery.version, current.get("serial_number")) == (version, record.facts.serial_number)
    # P2: nothing was issued twice, and no value was stored twice
    assert record.revision == record.facts.revision == scenario.revisions
    ours = [value for value in values.values() if value]
    expected = 1 if (scenario.type, scenario.begin) == ("ssm-parameter", "deletion") else scenario.revisions
    assert len({value["serial_number"] for value in ours}) == len(ours) == expected
    # P3: every version that a reader can see is whole
    for value in ours:
        assert_pair(value)
    # P4: every outcome was announced, under one id even if repeated
    outcomes = world.specs.history("web")
    assert [outcome.type for outcome in outcomes] == scenario.types
    received = {event["id"]: event["time"] for event in world.events()}
    assert received == {outcome.event_id: to_text(outcome.at) for outcome in outcomes}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.timeout(900)
def test_crash_at_any_call_stores_once(stage: Stage, scenario: Scenario, every: int) -> None:
    calls = stage.run(scenario, at=None)
    assert_promises(stage, scenario)
    points = [(at, when) for at in range(1, len(calls) + 1) for when in ("before", "after")]
    for at, when in sample(points, every):
        stage.run(scenario, at, when)  # type: ignore[arg-type]
        try:
            assert_promises(stage, scenario)
        except AssertionError as error:
            raise AssertionError(f"killed {when} call {at}: {calls[at - 1]}") from error


def test_matrix_detects_a_second_version(stage: Stage) -> None:
    """Check that the assertions can fail."""
    for kind in TYPES:
        stage.run(scenario := Scenario("", kind), at=None)
        stage.edit(kind)
        with pytest.raises(AssertionError):
            assert_promises(stage, scenario)

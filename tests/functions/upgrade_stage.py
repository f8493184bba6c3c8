"""Resources that all releases of the upgrade test share, and what the test reads from them."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import boto3

from evercert.aws.dynamodb import items
from evercert.contracts.record import Record
from evercert.pki.keys import PrivateKey, public_bytes
from tests.doubles.infisical.server import Infisical
from tests.doubles.world import assert_pair, load_template
from tests.tools.local_stack import Emulator, client_arguments

STACK = "upgraded"
CREDENTIALS = "evercert/credentials/upgrade"
WANTED = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
NEW_INDEX = "records"  # this tree adds it to the table of certificates


def is_done(record: Record) -> bool:
    return (record.state, record.claim, record.pending) == ("ready", None, None)


@dataclass
class Stage:
    """Tables, queue, topic, key and secrets, on the emulator, and an issuer that lets certificates wait."""

    running: Emulator
    server: Infisical
    environment: dict[str, str]
    folder: Path

    @classmethod
    def create(cls, running: Emulator, server: Infisical, folder: Path) -> Self:
        """Create the tables as the previous release has them, and the rest."""
        cloudformation = boto3.client("cloudformation", **client_arguments(running))
        key = boto3.client("kms", **client_arguments(running)).create_key()["KeyMetadata"]["Arn"]
        stack = cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(template(key)))["StackId"]
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
        (found,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        made = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
        (folder / "kills").mkdir()
        environment = {
            **running.environment,
            "CERTIFICATES_TABLE": made["CertificatesTable"],
            "ISSUERS_TABLE": made["IssuersTable"],
            "QUEUE_URL": made["Queue"],
            "TOPIC_ARN": made["Topic"],
            "SEAL_KEY": key,
            "STACK_NAME": STACK,
            "STACK_ID": stack,
            "LEASE_SECONDS": "900",
            "REDISPATCH_SECONDS": "3000",
            "EVERCERT_STACK": STACK,
            "EVERCERT_LOCAL_ISSUERS": "1",
            "EVERCERT_KILLS": str(folder / "kills"),
            "POWERTOOLS_METRICS_NAMESPACE": "evercert",
            "ISSUER_HOSTS": "127.0.0.1",
        }
        return cls(running, server, environment, folder)

    def client(self, service: str) -> Any:
        return boto3.client(service, **client_arguments(self.running))

    def index(self, verb: str) -> None:
        """Create or delete the index that this tree adds to the table, as CloudFormation does."""
        indexes = load_template()["Resources"]["CertificatesTable"]["Properties"]["GlobalSecondaryIndexes"]
        (new,) = (index for index in indexes if index["IndexName"] == NEW_INDEX)
        change = new if verb == "Create" else {"IndexName": NEW_INDEX}
        attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("sk", "pk")]
        self.client("dynamodb").update_table(
            TableName=self.environment["CERTIFICATES_TABLE"],
            AttributeDefinitions=attributes,
            GlobalSecondaryIndexUpdates=[{verb: change}],
        )

    @cached_property
    def issuers(self) -> dict[str, Any]:
        """Return the issuers of the document, and store the credentials of the one that lets certificates wait."""
        identity = self.server.estate.identity()
        value = {"address": self.server.address, "client-id": identity.client_id}
        value["client-secret"] = identity.new_client_secret(self.server.now())
        self.client("secretsmanager").create_secret(Name=CREDENTIALS, SecretString=json.dumps(value))
        auth = {"type": "universal-auth", "credentials": {"aws-secret": CREDENTIALS}}
        server = {"type": "infisical", "address": self.server.address, "application": "shop-app", "auth": auth}
        own = {"type": "self-signed"}
        return {"server": {**server, "profile": "tls-server"}, "development": own, "idle": own}

    def document(self, name: str, certificates: list[dict[str, Any]], issuers: Mapping[str, Any]) -> str:
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps({"version": "evercert/v1", "issuers": issuers, "certificates": certificates}))
        return str(path)

    def records(self, names: Iterable[str]) -> dict[str, Record]:
        stored = self.items()
        found = {name: items.read_record(stored[f"certificate#{name} record"]) for name in names}
        assert all(isinstance(record, Record) for record in found.values()), found
        return found  # type: ignore[return-value]

    def item(self, name: str) -> dict[str, Any]:
        return self.items()[f"certificate#{name} record"]

    def items(self) -> dict[str, dict[str, Any]]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.environment["CERTIFICATES_TABLE"])
        return {f"{item['pk']['S']} {item['sk']['S']}": item for page in pages for item in page["Items"]}

    def issuances(self) -> Counter[str]:
        """Count the issued certificates in the history, by name."""
        outcomes = [items.read_outcome(item) for key, item in self.items().items() if " outcome#" in key]
        kinds = {"certificate.issued", "certificate.renewed"}
        return Counter(outcome.name for outcome in outcomes if outcome is not None and outcome.type in kinds)

    def point(self, record: Record) -> str:
        """Return how far an interrupted run came."""
        pending = record.pending
        if record.claim is None:
            outcomes = [
                item for key, item in self.items().items() if key.startswith(f"certificate#{record.name} outcome#")
            ]
            return "announced" if all("published_at" in item for item in outcomes) else "concluded"
        if pending is None:
            return "claimed"
        if pending.chain is None:
            return "key sealed"
        return "delivered" if self.has_secret(record.name) else "issued"

    def has_secret(self, name: str) -> bool:
        client = self.client("secretsmanager")
        try:
            return bool(client.describe_secret(SecretId=self.secret(name)))
        except client.exceptions.ResourceNotFoundException:
            return False

    def sealed_keys(self, records: Mapping[str, Record]) -> dict[str, bytes]:
        """Open the keys of the revisions in progress; return their public keys."""
        # With plain calls: those of the adapter would be judged against the policies of another stack.
        kms, found = self.client("kms"), {}
        for name, record in records.items():
            if (pending := record.pending) is not None and pending.sealed_key is not None:
                context = {"evercert:stack": STACK, "evercert:uid": record.uid}
                answer = kms.decrypt(
                    CiphertextBlob=base64.b64decode(pending.sealed_key),
                    EncryptionContext={**context, "evercert:revision": str(pending.revision)},
                )
                found[name] = PrivateKey.from_der(answer["Plaintext"]).public_bytes()
        return found

    def secret(self, name: str) -> str:
        return f"evercert/certificates/{name}"

    def value(self, name: str) -> dict[str, str]:
        return json.loads(self.client("secretsmanager").get_secret_value(SecretId=self.secret(name))["SecretString"])

    def versions(self, name: str) -> dict[str, list[str]]:
        return self.client("secretsmanager").describe_secret(SecretId=self.secret(name))["VersionIdsToStages"]

    def owner(self, name: str) -> str:
        tags = self.client("secretsmanager").describe_secret(SecretId=self.secret(name))["Tags"]
        return next(tag["Value"] for tag in tags if tag["Key"] == "evercert:stack")

    def assert_keys(self, keys: Mapping[str, bytes]) -> None:
        """Assert that the certificates in use have the keys that their interrupted runs have sealed."""
        assert {name: public_bytes(assert_pair(self.value(name)).public_key()) for name in keys} == keys

    def assert_delivered(self, names: Iterable[str]) -> None:
        """Assert that each secret holds the certificate of its record, with its key, and nothing is in progress."""
        for name, record in self.records(names).items():
            assert is_done(record), record
            assert record.facts is not None
            value = self.value(name)
            assert_pair(value)
            assert value["fingerprint_sha256"] == record.facts.fingerprint_sha256


def template(key: str) -> dict[str, Any]:
    """Return the tables as the previous release has them, a queue and a topic; secrets may be encrypted with the key."""
    resources: dict[str, Any] = {"Queue": {"Type": "AWS::SQS::Queue"}, "Topic": {"Type": "AWS::SNS::Topic"}}
    for table in ("CertificatesTable", "IssuersTable"):
        found = load_template()["Resources"][table]["Properties"]
        properties = {key: value for key, value in found.items() if key in WANTED}
        if "GlobalSecondaryIndexes" in properties:
            older = [index for index in properties["GlobalSecondaryIndexes"] if index["IndexName"] != NEW_INDEX]
            properties["GlobalSecondaryIndexes"] = older
        resources[table] = {"Type": "AWS::DynamoDB::Table", "Properties": properties}
    outputs = {name: {"Value": {"Ref": name}} for name in resources}
    parameters = {"SecretKeys": {"Type": "String", "Default": key}}
    return {"Parameters": parameters, "Resources": resources, "Outputs": outputs}

"""The stores of whole bundles, each on its strict double and on an emulator, for one suite over all of them."""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from evercert.contracts.destination import Destination
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.spec import Component
from tests.contract.destinations.test_secrets_manager import stack_id
from tests.doubles.strict_aws import ACCOUNT, REGION, StrictSecretsManager
from tests.doubles.strict_s3 import Bucket, StrictS3
from tests.doubles.strict_ssm import StrictSSM
from tests.doubles.world import World
from tests.tools import local_stack

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
PASSPHRASE = "correct horse"
Bytes = bytes | str


class Store:
    """One place in a store; `strict` is its double."""

    type: str
    drops_tags = False  # when an operator overwrites the value by hand

    def __init__(self, world: World | None) -> None:
        self.mark = f"web-{uuid.uuid4().hex[:12]}"
        self.account = ACCOUNT if world is None else local_stack.ACCOUNT
        self.clients: Any
        self.settings: dict[str, Any]

    def open(self, certificate: str = "web", stack: str = "stack", home: str = REGION, **more: Any) -> Destination:
        context = DestinationContext(stack_id(stack, home).replace(ACCOUNT, self.account), self.clients)
        settings = {"type": self.type, **self.settings, **more}
        return RegisteredDestinations(context).open(Component.model_validate(settings), certificate)

    def owner(self, stack: str = "stack") -> str:
        return f"{self.account}/{REGION}/{stack}"

    def stored(self) -> dict[str, Any]:
        value = self.read()
        found: dict[str, Any] = json.loads(value)
        return found

    def read(self) -> Bytes:
        raise NotImplementedError

    def tags(self) -> dict[str, str]:
        raise NotImplementedError

    def versions(self) -> list[str]:
        raise NotImplementedError

    def edit(self) -> None:
        """Overwrite the value as an operator does."""
        raise NotImplementedError

    def delete(self) -> None:
        raise NotImplementedError


def pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


class Secret(Store):
    """A secret of Secrets Manager."""

    type = "secrets-manager"

    def __init__(self, world: World | None) -> None:
        super().__init__(world)
        self.client: Any = StrictSecretsManager() if world is None else world.operator.secretsmanager
        self.clients = SimpleNamespace(secretsmanager=self.client)
        self.settings = {"secret": f"evercert/certificates/{self.mark}"}
        self._id = {"SecretId": self.settings["secret"]}

    def read(self) -> Bytes:
        found = self.client.get_secret_value(**self._id, VersionStage="AWSCURRENT")
        content: Bytes = found.get("SecretString") or found["SecretBinary"]
        return content

    def tags(self) -> dict[str, str]:
        return pairs(self.client.describe_secret(**self._id)["Tags"])

    def versions(self) -> list[str]:
        return sorted(self.client.describe_secret(**self._id)["VersionIdsToStages"])

    def edit(self) -> None:
        self.client.put_secret_value(**self._id, ClientRequestToken="h" * 36, SecretString='{"by": "hand"}')

    def delete(self) -> None:
        if isinstance(self.client, StrictSecretsManager):
            del self.client.secrets[self.settings["secret"]]
        else:
            self.client.delete_secret(**self._id, ForceDeleteWithoutRecovery=True)


class Object(Store):
    """An object of S3."""

    type, drops_tags = "s3", True

    def __init__(self, world: World | None) -> None:
        super().__init__(world)
        bucket = f"bucket-{self.mark}"
        self.client: Any
        if world is None:
            self.client = StrictS3()
            self.client.buckets[bucket] = Bucket()
            self.client.keys[KEY] = "usable"
        else:
            self.client = world.operator.s3
            self.client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        key = KEY if world is None else world.operator.kms.create_key()["KeyMetadata"]["Arn"]
        self.clients = SimpleNamespace(s3=self.client)
        name = f"evercert/certificates/{self.mark}.json"
        self.settings = {"bucket": bucket, "key": name, "kms-key": key}
        self.id = {"Bucket": bucket, "Key": name}

    def read(self) -> Bytes:
        if isinstance(self.client, StrictS3):
            return self.client.buckets[self.id["Bucket"]].objects[self.id["Key"]][-1].body or b""
        body: bytes = self.client.get_object(**self.id)["Body"].read()
        return body

    def tags(self) -> dict[str, str]:
        return pairs(self.client.get_object_tagging(**self.id, ExpectedBucketOwner=self.account)["TagSet"])

    def versions(self) -> list[str]:
        if isinstance(self.client, StrictS3):
            return [each.id for each in self.client.buckets[self.id["Bucket"]].objects[self.id["Key"]]]
        found = self.client.list_object_versions(Bucket=self.id["Bucket"], Prefix=self.id["Key"])
        return sorted(each["VersionId"] for each in found["Versions"])

    def edit(self) -> None:
        self.edit_with(self.client.put_object)

    def edit_with(self, put: Callable[..., Any]) -> None:
        put(**self.id, ExpectedBucketOwner=self.account, Body=b'{"by": "hand"}', ContentType="application/json")

    def delete(self) -> None:
        self.client.delete_object(**self.id)


class ParameterStore(Store):
    """A parameter of Systems Manager."""

    type = "ssm-parameter"

    def __init__(self, world: World | None) -> None:
        super().__init__(world)
        self.client: Any = StrictSSM() if world is None else world.operator.ssm
        self.clients = SimpleNamespace(ssm=self.client)
        self.name = f"/evercert/certificates/{self.mark}"
        self.settings = {"parameter": self.name}

    def read(self) -> Bytes:
        text: str = self.client.get_parameter(Name=self.name, WithDecryption=True)["Parameter"]["Value"]
        return text if text.startswith(("{", "-")) else b64decode(text)

    def tags(self) -> dict[str, str]:
        return pairs(self.client.list_tags_for_resource(ResourceType="Parameter", ResourceId=self.name)["TagList"])

    def versions(self) -> list[str]:
        found = self.client.get_parameter_history(Name=self.name, MaxResults=50)["Parameters"]
        return [str(each["Version"]) for each in found]

    def edit(self) -> None:
        self.edit_with(self.client.put_parameter)

    def edit_with(self, put: Callable[..., Any]) -> None:
        put(Name=self.name, Value='{"by": "hand"}', Type="SecureString", Overwrite=True)

    def delete(self) -> None:
        self.client.delete_parameter(Name=self.name)


STORES: dict[str, Callable[[World | None], Store]] = {"secretsmanager": Secret, "s3": Object, "ssm": ParameterStore}

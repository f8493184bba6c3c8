"""AWS clients in memory that enforce the rules which the emulator does not; each rule with its source.

Sources: the service models that botocore ships ("model"), and the API references of the services ("API").
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from typing import Any

from botocore.exceptions import ClientError

ACCOUNT, REGION = "111122223333", "eu-central-1"


def refuse(code: str, operation: str, message: str = "", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


class StrictSecretsManager:
    """API, CreateSecret and PutSecretValue: token, size and name rules."""

    LARGEST = 65_536  # API: SecretString, maximum length

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.keys: dict[str, str] = {}  # customer keys: "usable", "denied" or "disabled"

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:
        secret = self._find(SecretId, "DescribeSecret")
        answer = {
            "ARN": secret["ARN"],
            "Name": SecretId,
            "Tags": secret["Tags"],
            "VersionIdsToStages": {v: list(s) for v, s in secret["stages"].items() if s},
        }
        if secret.get("primary"):
            answer["PrimaryRegion"] = secret["primary"]
        return {**answer, "DeletedDate": secret["deleted"]} if secret["deleted"] else answer

    def replicate(self, name: str, primary: str, *, hidden: bool = False) -> None:
        """Make the secret a replica of one in the primary region; `hidden`: DescribeSecret does not show it."""
        self.secrets[name]["primary" if not hidden else "hidden"] = primary

    def create_secret(
        self,
        *,
        Name: str,
        ClientRequestToken: str,
        Description: str,
        Tags: list[Any],
        KmsKeyId: str | None = None,
        **content: str | bytes,
    ) -> dict[str, Any]:
        value = self._content(ClientRequestToken, content, "CreateSecret")
        self._use_key(KmsKeyId, "CreateSecret")
        if not re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", Name):  # API: Name
            raise refuse("ValidationException", "CreateSecret", "invalid name")
        for tag in Tags:  # API: tag restrictions
            if not re.fullmatch(r"[\w\s.:/=+@-]{0,256}", tag["Value"]):
                raise refuse("InvalidParameterException", "CreateSecret", "invalid tag")
        found = self.secrets.get(Name)
        if found is not None:
            # API: the same token and value again is the same request
            if found["values"].get(ClientRequestToken) == value:
                return {"ARN": found["ARN"], "Name": Name, "VersionId": ClientRequestToken}
            raise refuse("ResourceExistsException", "CreateSecret")
        arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{Name}-AbCdEf"
        self.secrets[Name] = {"ARN": arn, "Tags": Tags, "values": {}, "stages": {}, "deleted": None, "key": KmsKeyId}
        self._store(self.secrets[Name], ClientRequestToken, value)
        self.writes.append("create")
        return {"ARN": arn, "Name": Name, "VersionId": ClientRequestToken}

    def put_secret_value(self, *, SecretId: str, ClientRequestToken: str, **content: str | bytes) -> dict[str, Any]:
        value = self._content(ClientRequestToken, content, "PutSecretValue")
        secret = self._find(SecretId, "PutSecretValue")
        if secret.get("primary", secret.get("hidden", REGION)) != REGION:
            # Guide, "Replicate secrets": only the primary secret can be changed
            raise refuse("InvalidParameterException", "PutSecretValue", "not permitted on a replica secret")
        if secret["deleted"]:
            raise refuse("InvalidRequestException", "PutSecretValue", "marked for deletion")
        self._use_key(secret["key"], "PutSecretValue")
        stored = secret["values"].get(ClientRequestToken)
        if stored is not None and stored != value:
            # API: "you can't modify an existing version, you can only create new ones"
            raise refuse("ResourceExistsException", "PutSecretValue")
        if stored is None:
            self._store(secret, ClientRequestToken, value)
            self.writes.append("put")
        # API: "If a version with this value already exists … the operation succeeds but does nothing": no label moves
        stages = sorted(secret["stages"].get(ClientRequestToken, ()))
        answer = {"ARN": secret["ARN"], "Name": SecretId, "VersionId": ClientRequestToken}
        return {**answer, "VersionStages": stages} if stages else answer

    def remove_labels(self, name: str, version: str) -> None:
        """Leave the version without labels: deprecated, hidden by DescribeSecret, and deleted by AWS at some time."""
        self.secrets[name]["stages"].pop(version)

    def update_secret_version_stage(
        self, *, SecretId: str, VersionStage: str, MoveToVersionId: str, RemoveFromVersionId: str | None = None
    ) -> dict[str, Any]:
        secret = self._find(SecretId, "UpdateSecretVersionStage")
        if secret["deleted"]:  # API: "the secret is scheduled for deletion"
            raise refuse("InvalidRequestException", "UpdateSecretVersionStage", "marked for deletion")
        if MoveToVersionId not in secret["values"]:
            raise refuse("ResourceNotFoundException", "UpdateSecretVersionStage")
        holder = next((v for v, stages in secret["stages"].items() if VersionStage in stages), None)
        if holder is not None and holder != RemoveFromVersionId:
            # API: "if the staging label is attached to a different version, you must specify RemoveFromVersionId"
            raise refuse("InvalidParameterException", "UpdateSecretVersionStage")
        self._make_current(secret, MoveToVersionId)
        self.writes.append("stage")
        return {"ARN": secret["ARN"], "Name": SecretId}

    def get_secret_value(self, *, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, Any]:
        secret = self._find(SecretId, "GetSecretValue")
        version = next((v for v, stages in secret["stages"].items() if VersionStage in stages), None)
        if version is None:
            raise refuse("ResourceNotFoundException", "GetSecretValue")
        value = secret["values"][version]
        return {"SecretString" if isinstance(value, str) else "SecretBinary": value, "VersionId": version}

    def delete_secret(self, *, SecretId: str) -> None:
        self._find(SecretId, "DeleteSecret")["deleted"] = "2026-01-15"

    def restore_secret(self, *, SecretId: str) -> dict[str, Any]:
        secret = self._find(SecretId, "RestoreSecret")
        secret["deleted"] = None
        self.writes.append("restore")
        return {"ARN": secret["ARN"], "Name": SecretId}

    def _find(self, name: str, operation: str) -> dict[str, Any]:
        if name not in self.secrets:
            raise refuse("ResourceNotFoundException", operation)
        return self.secrets[name]

    def _use_key(self, key: str | None, operation: str) -> None:
        """Errors of the model: EncryptionFailure; and the message for a refusal by KMS."""
        match self.keys.get(key, "denied") if key else "usable":
            case "denied":
                raise refuse("AccessDeniedException", operation, "Access to KMS is not allowed")
            case "disabled":
                message = "Secrets Manager can't encrypt the protected secret text using the provided KMS key."
                raise refuse("EncryptionFailure", operation, message)

    def _content(self, token: str, content: dict[str, str | bytes], operation: str) -> str | bytes:
        if not 32 <= len(token) <= 64:  # model: ClientRequestTokenType
            raise refuse("ParamValidationError", operation, "token length")
        ((name, value),) = content.items()  # API: "either SecretString or SecretBinary must have a value, but not both"
        if (name, type(value)) not in {("SecretString", str), ("SecretBinary", bytes)}:
            raise refuse("ParamValidationError", operation, name)
        if not 1 <= len(value if isinstance(value, bytes) else value.encode()) <= self.LARGEST:
            raise refuse("ValidationException", operation, "secret length")
        return value

    def _store(self, secret: dict[str, Any], version: str, value: str | bytes) -> None:
        secret["values"][version] = value
        self._make_current(secret, version)

    @staticmethod
    def _make_current(secret: dict[str, Any], version: str) -> None:
        stages = secret["stages"]
        current = next((v for v, held in stages.items() if "AWSCURRENT" in held), None)
        if current == version:
            return
        for held in stages.values():
            held.discard("AWSPREVIOUS")
        if current is not None:
            stages[current] = {"AWSPREVIOUS"}
        stages[version] = {"AWSCURRENT"}


class StrictSNS:
    """API, Publish."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def publish(
        self, *, TopicArn: str, Subject: str, MessageStructure: str, Message: str, MessageAttributes: dict[str, Any]
    ) -> dict[str, Any]:
        if not (Subject.isascii() and Subject.isprintable() and 0 < len(Subject) < 100 and Subject[0].isalnum()):
            raise refuse("InvalidParameter", "Publish", "Subject")  # API: Subject
        bodies = json.loads(Message)
        if MessageStructure != "json" or not isinstance(bodies.get("default"), str):
            raise refuse("InvalidParameter", "Publish", "default")  # API: MessageStructure
        if len(MessageAttributes) > 10:  # SNS guide: raw delivery to SQS discards the message
            raise refuse("InvalidParameter", "Publish", "more than ten attributes")
        for value in MessageAttributes.values():
            if not value["StringValue"]:  # API: MessageAttributeValue must not be empty
                raise refuse("ParameterValueInvalid", "Publish")
            if value["DataType"] == "String.Array" and not isinstance(json.loads(value["StringValue"]), list):
                raise refuse("ParameterValueInvalid", "Publish")
            if not all(
                c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
                for c in value["StringValue"]
            ):
                raise refuse("ParameterValueInvalid", "Publish")  # SQS API, SendMessage: the characters of a message
        attributes = sum(
            len(name) + len(value["DataType"]) + len(value["StringValue"].encode())
            for name, value in MessageAttributes.items()
        )
        if len(Message.encode()) + attributes > 262_144:  # API: Message; SNS guide: attributes count
            raise refuse("InvalidParameter", "Publish", "size")
        self.published.append(
            {"TopicArn": TopicArn, "bodies": bodies, "attributes": MessageAttributes, "subject": Subject}
        )
        return {"MessageId": str(uuid.uuid4())}


class StrictSQS:
    """API, SendMessage and SendMessageBatch."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.delays: list[int] = []
        self.refused: set[str] = set()

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> dict[str, Any]:
        if not isinstance(DelaySeconds, int) or not 0 <= DelaySeconds <= 900:  # API: DelaySeconds
            raise refuse("InvalidParameterValue", "SendMessage")
        self.bodies.append(MessageBody)
        self.delays.append(DelaySeconds)
        return {"MessageId": str(uuid.uuid4())}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        ids = [entry["Id"] for entry in Entries]
        if not 1 <= len(ids) <= 10:  # API: TooManyEntriesInBatchRequest, EmptyBatchRequest
            raise refuse("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "SendMessageBatch")
        if len(set(ids)) != len(ids):
            raise refuse("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "SendMessageBatch")
        taken = [entry for entry in Entries if json.loads(entry["MessageBody"])["certificate"] not in self.refused]
        self.bodies += [entry["MessageBody"] for entry in taken]
        failed = [{"Id": entry["Id"], "Code": "InternalError"} for entry in Entries if entry not in taken]
        return {"Successful": [{"Id": entry["Id"]} for entry in taken], "Failed": failed}


class StrictKMS:
    """API, Encrypt and Decrypt: 4,096 bytes, and an authenticated ciphertext bound to its context."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self.disabled = False

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: dict[str, str]) -> dict[str, Any]:
        self._usable("Encrypt")
        if not 1 <= len(Plaintext) <= 4_096:  # API: Plaintext
            raise refuse("ValidationException", "Encrypt")
        nonce = os.urandom(16)
        body = bytes(a ^ b for a, b in zip(Plaintext, self._stream(nonce, len(Plaintext)), strict=True))
        return {"CiphertextBlob": nonce + self._tag(nonce + body, KeyId, EncryptionContext) + body}

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: dict[str, str]) -> dict[str, Any]:
        self._usable("Decrypt")
        nonce, tag, body = CiphertextBlob[:16], CiphertextBlob[16:48], CiphertextBlob[48:]
        if tag != self._tag(nonce + body, KeyId, EncryptionContext):
            raise refuse("InvalidCiphertextException", "Decrypt")
        return {"Plaintext": bytes(a ^ b for a, b in zip(body, self._stream(nonce, len(body)), strict=True))}

    def _usable(self, operation: str) -> None:
        if self.disabled:
            raise refuse("DisabledException", operation)

    def _stream(self, nonce: bytes, length: int) -> bytes:
        return hashlib.shake_256(self._secret + nonce).digest(length)

    def _tag(self, data: bytes, key: str, context: dict[str, str]) -> bytes:
        return hashlib.sha256(
            self._secret + key.encode() + json.dumps(context, sort_keys=True).encode() + data
        ).digest()

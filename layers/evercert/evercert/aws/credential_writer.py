"""Store credentials from agent documents, each in a secret that issuers may read and no destination may name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from botocore.exceptions import ClientError

from evercert import json_parser
from evercert.aws.clients import Clients, code, translated
from evercert.aws.tags import STACK_TAG
from evercert.canonical_json import canonical_json
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.documents.secret_reference import Credential

Verb = Literal["create", "change", "unchanged"]


class CredentialSecrets:
    """Writer of credential secrets, with the operator's permissions. No message quotes a value."""

    def __init__(self, clients: Clients, stack: str) -> None:
        self._clients = clients
        self._stack = stack

    def compare(self, credentials: Iterable[Credential]) -> dict[str, Verb]:
        """Return what `write` would do, by secret name. Raises Misconfigured for a secret of another owner."""
        return {credential.name: self._compare(credential) for credential in credentials}

    def exists(self, name: str) -> bool:
        """Return whether this secret of the stack exists; raise Misconfigured for a secret of another owner."""
        return self._describe(name) is not None

    def write(self, credentials: Iterable[Credential], verbs: Mapping[str, Verb]) -> None:
        """Create and change the secrets. AWS rejects the creation of a secret that was created meanwhile."""
        for credential in credentials:
            # A token derived from the value would ignore a return to an older value, whose version exists already.
            text, token = canonical_json(credential.value), str(uuid4())
            if verbs[credential.name] == "create":
                self._create(credential.name, text, token)
            elif verbs[credential.name] == "change":
                with translated(f"store a new version of secret {credential.name}"):
                    self._clients.secretsmanager.put_secret_value(
                        SecretId=credential.name, ClientRequestToken=token, SecretString=text
                    )

    def _create(self, name: str, text: str, token: str) -> None:
        with translated(f"create secret {name}"):
            self._clients.secretsmanager.create_secret(
                Name=name,
                ClientRequestToken=token,
                SecretString=text,
                Description="Credentials for Infisical, kept for evercert",
                Tags=[{"Key": STACK_TAG, "Value": self._stack}],
            )

    def _compare(self, credential: Credential) -> Verb:
        name = credential.name
        if self._describe(name) is None:
            return "create"
        current = self._ask(f"read secret {name}", self._clients.secretsmanager.get_secret_value, name)
        return "unchanged" if current is not None and _value(current) == credential.value else "change"

    def _describe(self, name: str) -> dict[str, Any] | None:
        found = self._ask(f"look at secret {name}", self._clients.secretsmanager.describe_secret, name)
        if found is None:
            return None
        if "DeletedDate" in found:
            raise Misconfigured(
                f"secret {name} is scheduled for deletion, but the document stores credentials in it; "
                f"keep it: aws secretsmanager restore-secret --secret-id {name}"
            )
        if {"Key": STACK_TAG, "Value": self._stack} not in found.get("Tags", []):
            raise Misconfigured(
                f"secret {name} exists and does not belong to stack {self._stack}, so it is not changed; to "
                "allow it: aws secretsmanager tag-resource "
                f"--secret-id {name} --tags Key={STACK_TAG},Value={self._stack}"
            )
        return found

    @staticmethod
    def _ask(doing: str, call: Any, name: str) -> dict[str, Any] | None:  # noqa: ANN401 (a method of the client)
        with translated(doing):
            try:
                return dict(call(SecretId=name))
            except ClientError as error:
                if code(error) == "ResourceNotFoundException":
                    return None
                raise


def _value(answer: Mapping[str, Any]) -> object:
    try:
        return json_parser.parse(answer.get("SecretString") or "")
    except ValueError:
        return None

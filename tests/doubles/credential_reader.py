"""The real credential reader of issuers, on the strict double of Secrets Manager."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from evercert.aws.credential_reader import Credentials
from tests.doubles.strict_aws import StrictSecretsManager


class Vault:
    """Secrets by name, stored and parameters with the values of the secrets of the same name."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self._secrets = StrictSecretsManager()
        self.credentials = Credentials(SimpleNamespace(secretsmanager=self, ssm=self))  # type: ignore[arg-type]

    def store(self, name: str, value: dict[str, Any]) -> None:
        """Create the secret, or its next version."""
        version = {"ClientRequestToken": str(uuid4()), "SecretString": json.dumps(value)}
        if name in self._secrets.secrets:
            self._secrets.put_secret_value(SecretId=name, **version)
        else:
            self._secrets.create_secret(Name=name, Description="a credential", Tags=[], **version)

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
        self.reads.append(SecretId)
        return self._secrets.get_secret_value(SecretId=SecretId)

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:
        assert WithDecryption
        return {"Parameter": {"Value": self.get_secret_value(SecretId=Name.removeprefix("/"))["SecretString"]}}

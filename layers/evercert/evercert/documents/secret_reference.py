"""References to secrets in Secrets Manager or Parameter Store, which documents must not contain themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import model_validator

from evercert.schema import Model, misplaced

# IAM lets the issuer function read only these.
SECRETS = "evercert/credentials/"
PARAMETERS = "/evercert/credentials/"
_FORMS = {
    "aws-secret": re.compile(re.escape(SECRETS) + r"[A-Za-z0-9/_+=.@-]{1,200}(#[A-Za-z0-9_.-]{1,100})?"),
    "aws-parameter": re.compile(re.escape(PARAMETERS) + r"[A-Za-z0-9/_.-]{1,200}(#[A-Za-z0-9_.-]{1,100})?"),
}


@dataclass(frozen=True)
class Credential:
    """The JSON object in the secret of this name, including the address that it is for; never printed."""

    name: str
    value: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class CredentialFile:
    """A file of the host with a secret that is to be deleted once the credential is stored."""

    path: str
    text: str = field(repr=False)
    credential: Credential


class Reference(Model):
    """`aws-secret: evercert/credentials/NAME[#key]` or `aws-parameter: /evercert/credentials/NAME[#key]`.

    The value is a JSON object; without `#key` the setting's own name is the key.
    """

    aws_secret: str | None = None
    aws_parameter: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        present = {key: text for key, text in self.model_dump(by_alias=True).items() if text is not None}
        if len(present) != 1:
            raise misplaced({(): "give exactly one of aws-secret and aws-parameter"})
        kind, text = next(iter(present.items()))
        if not _FORMS[kind].fullmatch(text):
            begin = SECRETS if kind == "aws-secret" else PARAMETERS
            # Never quote the text: it may be the secret itself.
            raise misplaced({(kind,): f"must be {begin}NAME or {begin}NAME#KEY"})
        return self

    @property
    def name(self) -> str:
        """The name of the secret or the parameter."""
        return (self.aws_secret or self.aws_parameter or "").partition("#")[0]

    @property
    def key(self) -> str | None:
        """The key in its JSON object, or None if the reference has no key."""
        return (self.aws_secret or self.aws_parameter or "").partition("#")[2] or None

    def __str__(self) -> str:
        kind = "aws-secret" if self.aws_secret is not None else "aws-parameter"
        return f"{kind} {self.name}"

"""Settings of an issuer for AWS Private CA: the CA, and how it issues."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import model_validator

from evercert.issuers.aws_private_ca.templates import DEFAULT, Template
from evercert.issuers.server_settings import PendingFor
from evercert.schema import Model, misplaced, text_of

SigningAlgorithm = Literal[
    "SHA256WITHRSA",
    "SHA384WITHRSA",
    "SHA512WITHRSA",
    "SHA256WITHRSA_PSS",
    "SHA384WITHRSA_PSS",
    "SHA512WITHRSA_PSS",
    "SHA256WITHECDSA",
    "SHA384WITHECDSA",
    "SHA512WITHECDSA",
]
_CA = r"arn:aws[a-z-]*:acm-pca:[a-z0-9-]{1,40}:[0-9]{12}:certificate-authority/[A-Za-z0-9-]{1,64}"
# Templates for end entities only: one of a CA would let the holder of a certificate issue others.
_TEMPLATE = r"arn:aws[a-z-]*:acm-pca:::template/(?:(?:Blank)?EndEntity|CodeSigning|OCSPSigning)\w{1,80}/V[0-9]{1,4}"
_NAMED = (
    "must be the ARN of a template for end-entity certificates, such as "
    "arn:aws:acm-pca:::template/EndEntityServerAuthCertificate/V1"
)


class AWSPrivateCASettings(Model):
    """Settings of `type: aws-private-ca`."""

    arn: Annotated[
        str,
        text_of(
            _CA,
            "must be the ARN of a CA, such as "
            "arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012",
        ),
    ]
    template_arn: Annotated[str, text_of(_TEMPLATE, _NAMED)] | None = None
    signing_algorithm: SigningAlgorithm | None = None  # None: that of the CA
    pending_for: PendingFor = timedelta(days=1)

    @model_validator(mode="after")
    def _template_is_in_the_partition(self) -> Self:
        if self.template_arn is not None and self.template_arn.split(":")[1] != self._partition:
            problem = f"must begin with arn:{self._partition}:, as arn does"
            raise misplaced({("template-arn",): problem})
        return self

    @property
    def _partition(self) -> str:
        return self.arn.split(":")[1]

    @property
    def region(self) -> str:
        """The region of the CA."""
        return self.arn.split(":")[3]

    @property
    def template(self) -> Template:
        """The template of every certificate."""
        return Template(DEFAULT if self.template_arn is None else self.template_arn.partition("/")[2])

    @property
    def template_in_use(self) -> str:
        """The ARN of the template, also of the default one."""
        return self.template_arn or f"arn:{self._partition}:acm-pca:::template/{DEFAULT}"

    @property
    def identity(self) -> dict[str, Any]:
        """Return the settings that identify the issuer; signing algorithm and time limit are not among them."""
        return {"type": "aws-private-ca", "arn": self.arn, "template": self.template_in_use}

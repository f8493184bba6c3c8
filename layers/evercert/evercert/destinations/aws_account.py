"""Settings of all destinations on AWS: the account, by a role in it, and the region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from evercert.aws.tags import CERTIFICATE_TAG, STACK_TAG, Owner, tag_value
from evercert.documents.spec import Model, Spec, text_of
from evercert.errors import Misconfigured
from evercert.schema import printable


class InAccount(Model):
    """`role` and `region`, by default the stack's own account and region; the stack's parameters limit both."""

    role: (
        Annotated[
            str,
            text_of(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}", "write the ARN of an IAM role"),
        ]
        | None
    ) = None
    region: Annotated[str, text_of(r"[a-z]{2}(-[a-z]+)+-[0-9]", "write a region, such as eu-central-1")] | None = None

    @property
    def own(self) -> bool:
        """Return whether each certificate gets its own place, even if the settings are equal."""
        return False

    def check(self, spec: Spec) -> None:
        """Raise Rejected if the destination can never accept this spec. Makes no calls."""

    @property
    def elsewhere(self) -> str:
        """Return a suffix that distinguishes the same name elsewhere, such as ` in us-east-1 by arn:…:role/name`."""
        region = "" if self.region is None else f" in {self.region}"
        return region if self.role is None else f"{region} by {self.role}"


def tags_of(owner: Owner, certificate: str) -> dict[str, str]:
    """Return the tags of a resource that the stack creates for this certificate."""
    return {STACK_TAG: str(owner), CERTIFICATE_TAG: tag_value(certificate)}


def require_owned(found: Mapping[str, str], owner: Owner, certificate: str, what: str, remedy: str) -> None:
    """Raise Misconfigured unless the tags of a resource name this stack and this certificate.

    IAM denies writes to other resources too, but without the reason.
    """
    holder = found.get(STACK_TAG)
    if owner.compare(holder) in {"foreign", "untagged"}:
        whose = "" if holder is None else f": the owner in its tag {STACK_TAG} is {printable(holder, 100)}"
        raise Misconfigured(f"{what} does not belong to this stack{whose}; {remedy}")
    if (holds := found.get(CERTIFICATE_TAG, tag_value(certificate))) != tag_value(certificate):
        raise Misconfigured(f"{what} holds certificate {holds}; two certificates cannot share it")

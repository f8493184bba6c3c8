"""Tags and name prefixes by which evercert recognizes its own AWS resources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from evercert.errors import Misconfigured

# Its value on secrets and ACM certificates, which may be in other regions and accounts: the text of an Owner.
# Its value on keys, queues and credentials, which are in the stack's own region and account: the stack's name.
STACK_TAG = "evercert:stack"
CERTIFICATE_TAG = "evercert:certificate"
CA_TAG = "evercert:ca"
CA_ID_TAG = "evercert:ca-id"
TEMPORARY_TAG = "evercert:temporary"  # a queue of `evercert events`: when it was last used
SECRET_PREFIX = "evercert/certificates/"  # noqa: S105 (a name)
_STACK_ID = re.compile(
    r"arn:[a-z-]+:cloudformation:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):stack/(?P<stack>[A-Za-z0-9-]{1,128})/.+"
)
Ownership = Literal["ours", "old-tag", "untagged", "foreign"]


@dataclass(frozen=True)
class Owner:
    """A stack as the owner of secrets and certificates; its text, the value of STACK_TAG, is unique across accounts."""

    account: str
    region: str
    stack: str

    @classmethod
    def of(cls, stack_id: str) -> Owner:
        """Return the stack with this id as an owner; raise Misconfigured if it is not the ARN of a stack."""
        found = _STACK_ID.fullmatch(stack_id)
        if found is None:
            raise Misconfigured(f"invalid stack id {stack_id[:200]!r}: must be the ARN of a CloudFormation stack")
        return cls(found["account"], found["region"], found["stack"])

    def __str__(self) -> str:
        """Return the value of STACK_TAG."""
        return f"{self.account}/{self.region}/{self.stack}"

    def compare(self, value: str | None) -> Ownership:
        """Return whose value of STACK_TAG this is; None is a resource without the tag.

        The previous release wrote the stack's bare name, which does not distinguish stacks with the same name. Remove
        "old-tag" here, and the bare name in three conditions of the template, in the next release.
        """
        if value is None:
            return "untagged"
        if value == str(self):
            return "ours"
        return "old-tag" if value == self.stack else "foreign"


def tag_value(name: str) -> str:
    """Return a certificate's name for places that do not allow `*`: `*.example.com` becomes `_wildcard.example.com`."""
    return name.replace("*", "_wildcard")

"""Create KMS keys for CAs, and find a created key by its tags if the process died before recording it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from evercert.aws.answers import InvalidAnswer
from evercert.aws.authority.policy_comparison import same
from evercert.aws.clients import code, translated
from evercert.aws.tags import CA_ID_TAG, CA_TAG, STACK_TAG
from evercert.errors import Misconfigured
from evercert.pki.algorithms import KeyAlgorithm

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.literals import KeySpecType

SPECS: dict[KeyAlgorithm, str] = {
    "EC_prime256v1": "ECC_NIST_P256",
    "EC_secp384r1": "ECC_NIST_P384",
    "EC_secp521r1": "ECC_NIST_P521",
    "RSA_2048": "RSA_2048",
    "RSA_3072": "RSA_3072",
    "RSA_4096": "RSA_4096",
}
PAGES, PAGE = 20, 1000  # keys of a region; more are too many to search
_NOT_OURS = {"AccessDeniedException", "NotFoundException"}  # keys that the caller may not read, or deleted


class CAKeyMaking:
    """Keys of one stack's CAs, with the operator's permissions."""

    def __init__(self, client: KMSClient, once: KMSClient, stack: str) -> None:
        self._client = client
        self._once = once  # sends each call once
        self._stack = stack

    def found(self, name: str, ca_id: str) -> str | None:
        """Return the ARN of the key that was created for this CA, or None; raise Misconfigured if there are several.

        The id is random and recorded before the key is created. Another principal that can create and tag keys in the
        account could prepare a key under the names, with signatures already made, but not under the id.

        Searches all keys of the region; disabled keys and keys pending deletion do not count.
        """
        wanted = {STACK_TAG: self._stack, CA_ID_TAG: ca_id}
        with translated(f"look for the key of CA {name}"):
            found = [arn for arn in self._arns() if wanted.items() <= self._tags(arn).items() and self._enabled(arn)]
        if len(found) > 1:
            raise Misconfigured(
                f"{len(found)} keys are tagged {CA_ID_TAG}={ca_id} for CA {name} of stack {self._stack} "
                f"({', '.join(found)}): "
                "schedule the unused ones for deletion, or remove their tags"
            )
        return found[0] if found else None

    def of_stack(self) -> Iterator[tuple[str, str]]:
        """Yield ARN and CA name of each key that was created for a CA of this stack, but those pending deletion."""
        with translated(f"look for the CA keys of stack {self._stack}"):
            for arn in self._arns():
                tags = self._tags(arn)
                if tags.get(STACK_TAG) == self._stack and CA_ID_TAG in tags and not self._is_ending(arn):
                    yield arn, tags.get(CA_TAG, "")

    def make(self, name: str, ca_id: str, algorithm: KeyAlgorithm, policy: dict[str, Any]) -> str:
        """Create the key and return its ARN; not idempotent: call `found` first, also after an error."""
        with translated(f"make the key of CA {name}"):
            answer = self._once.create_key(
                Description=f"{self._stack}: key of CA {name}",
                KeyUsage="SIGN_VERIFY",
                KeySpec=cast("KeySpecType", SPECS[algorithm]),
                Policy=json.dumps(policy),
                Tags=[
                    {"TagKey": tag, "TagValue": value}
                    for tag, value in ((STACK_TAG, self._stack), (CA_TAG, name), (CA_ID_TAG, ca_id))
                ],
            )
        return answer["KeyMetadata"]["Arn"]

    def has_policy(self, key: str, policy: dict[str, Any]) -> bool:
        """Return whether the key has this policy, in any order and notation.

        Principals that were deleted appear by their ids, so a policy that names them differs.
        """
        try:
            return same(json.loads(self.policy_text(key)), policy)
        except (ValueError, RecursionError):
            return False

    def policy_text(self, key: str) -> str:
        """Return the policy of the key, as KMS stores it."""
        with translated(f"read the policy of key {key}"):
            return self._client.get_key_policy(KeyId=key, PolicyName="default")["Policy"]

    def put_policy(self, key: str, policy: dict[str, Any]) -> None:
        """Set the policy of the key; idempotent."""
        with translated(f"write the policy of key {key}"):
            self._client.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))

    def _arns(self) -> Iterator[str]:
        more: dict[str, Any] = {}
        for _ in range(PAGES):
            page = self._client.list_keys(Limit=PAGE, **more)
            yield from (key["KeyArn"] for key in page["Keys"])
            if not page.get("Truncated"):
                return
            if not page.get("NextMarker"):
                raise InvalidAnswer("kms:ListKeys has no NextMarker")
            more = {"Marker": page["NextMarker"]}
        raise Misconfigured(f"the region has more than {PAGES * PAGE} KMS keys: too many to search")

    def _tags(self, arn: str) -> dict[str, str]:
        try:
            answer = self._client.list_resource_tags(KeyId=arn)
        except ClientError as error:
            if code(error) in _NOT_OURS:
                return {}
            raise
        return {tag["TagKey"]: tag["TagValue"] for tag in answer.get("Tags", [])}

    def _is_ending(self, arn: str) -> bool:
        return self._client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "PendingDeletion"

    def _enabled(self, arn: str) -> bool:
        return bool(self._client.describe_key(KeyId=arn)["KeyMetadata"]["Enabled"])

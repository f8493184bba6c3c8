"""What every destination on AWS can be told: the account, by a role there, and the region."""

from __future__ import annotations

from typing import Annotated

from evercert.documents.spec import Model, text_of


class InAccount(Model):
    """Without them: the stack's own account and region. The stack's parameters say which ones are allowed."""

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
        """Whether each certificate gets a place of its own there, whatever others name."""
        return False

    @property
    def elsewhere(self) -> str:
        """Told apart from the same name at home: ` in us-east-1, account 111122223333`."""
        region = "" if self.region is None else f" in {self.region}"
        return region if self.role is None else f"{region} by {self.role}"

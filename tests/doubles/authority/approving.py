"""A client whose requests wait for an approval, and identities that may approve them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.registration.approval_notices import ApprovalNotices
from tests.doubles.authority.client import REQUESTS, Client, Response

DAY = timedelta(days=1)


class Announced:
    """Port ApprovalAnnouncer; `trouble` is raised instead."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.trouble: Exception | None = None

    def approval(self, request: RequestRecord, state: str, message: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.events.append((request.id, state, message))


class Approving(Client):
    """A client with the permissions to request, and others that may approve."""

    def __init__(self, **options: Any) -> None:
        super().__init__("request", "read-key")
        self.approval = ApprovalOptions.model_validate(options)
        self.setting.configuration.put(self.profile.model_copy(update={"approval": self.approval}))
        self.approvers = [self.setting.identity("approve", name=f"approver-{number}")[0] for number in range(3)]
        self.announced = Announced()
        self.notices = ApprovalNotices(
            self.setting.certificates, self.setting.front.fulfillment, self.announced, self.setting.clock
        )

    def asked(self, **attributes: Any) -> str:
        response = self.issue(attributes or None)
        assert (response.status, response.json["status"], response.json["certificate"]) == (
            200,
            "pending_approval",
            None,
        )
        return str(response.json["certificateRequestId"])

    def decide(self, what: str, request: str, approver: int | None = 0, reason: str = "") -> Response:
        self.token = self.setting.token(self.identity if approver is None else self.approvers[approver])
        response = self.post(f"{REQUESTS}/{request}/{what}", {"reason": reason} if reason else None)
        self.token = self.setting.token(self.identity)
        return response

    def status(self, request: str) -> dict[str, Any]:
        self.token = self.setting.token(self.identity)  # the clock may be days later
        return dict(self.get(f"{REQUESTS}/{request}").json)

    @property
    def signed(self) -> int:
        return len(self.setting.ledger.intents)

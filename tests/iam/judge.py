"""Decide whether the template allows the recorded calls: each needs a permission of the role that made it.

judge = Judge(Deployment(parameters, physical=…))            # the functions' roles
judge = Judge(deployment, policies={"operator": document})   # and principals with a policy of their own
for finding in judge.judge(calls): print(finding)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.iam.actions import needs, via
from tests.iam.deployment import Deployment
from tests.iam.evaluator import Decision, Request, evaluate
from tests.iam.facts import Facts, Record
from tests.iam.needs import Need, Where
from tests.iam.policies import Statement, statements

ROLES = {
    "checker": "CheckerRole", "issuer": "IssuerRole", "responder": "ResponderRole", "signer": "SignerRole",
    "authority": "AuthorityRole", "administration": "AdministrationRole", "renewal": "RenewalRole", "validator": "ValidatorRole",
    "report": "ReportRole",
}  # fmt: skip
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "NotAuthorized"}
MISSING = {"ResourceNotFoundException", "NotFoundException"}
# Services use the customer key of a resource with the caller's permissions (their documentation: "key management").
KEY_USES = {
    "dynamodb": ("kms:Decrypt",),
    "sqs:SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sns:Publish": ("kms:GenerateDataKey", "kms:Decrypt"),
}


@dataclass(frozen=True)
class Judged:
    """One need of a call, and the decision on it; `code` is the error code of the emulator's answer, or empty."""

    principal: str
    request: Request
    decision: Decision
    caller: str
    code: str

    @property
    def wrong(self) -> bool:
        """Whether the call needs a permission that is missing; a call that the emulator refused, as AWS would, does not count."""
        return not self.decision.allowed and self.code not in DENIED and not self._misnamed

    @property
    def _misnamed(self) -> bool:
        """Whether the test names a table or key that does not exist, which no policy covers."""
        return self.code in MISSING and self.request.action.startswith(("dynamodb:", "kms:"))

    def __str__(self) -> str:
        return f"{self.principal} may not {self.request.action} on {self.request.resource}: {self.decision.reason} (called in {self.caller})"


class Judge:
    """Decides on calls in their order, and derives the state of resources from all calls, including those of tests."""

    def __init__(self, deployment: Deployment, policies: Mapping[str, dict[str, Any]] | None = None) -> None:
        self.deployment = deployment
        self._own = {name: statements(document, name) for name, document in (policies or {}).items()}
        self.facts = Facts(f"arn:{deployment.partition}:iam::{deployment.account}:root")
        self.facts.key_policies.update(deployment.key_policies)

    def judge(self, calls: Iterable[Record]) -> list[Judged]:
        """Return the decision on every need of every call whose principal has a policy."""
        found = []
        for call in sorted(calls, key=lambda one: one["at"]):
            if call["who"] in {*ROLES, *self._own} and not call.get("assumed"):
                found += self._judge(call)
            self.facts.learn(call)
        return found

    def _judge(self, call: Record) -> list[Judged]:
        who, code = call["who"], (call.get("answer") or {}).get("code", "")
        judged = []
        for need in self.needs(call):
            request = Request(self.principal(who), need.action, need.resource, need.context)
            judged.append(Judged(who, request, self._decide(who, request), " < ".join(call["from"]), code))
        return judged

    def needs(self, call: Record) -> list[Need]:
        """Return what the call needs, the keys of its resources included."""
        where = Where(str(call["region"]), self.deployment.account, self.deployment.partition)
        direct = needs(call, where, self.facts)
        return [*direct, *(implied for need in direct for implied in self._implied(need, where))]

    def _implied(self, need: Need, where: Where) -> list[Need]:
        key, service = self.deployment.key_of(need.resource), need.action.partition(":")[0]
        actions = KEY_USES.get(service) or KEY_USES.get(need.action) or ()
        return [] if key is None else [via(action, key, service, where, {}) for action in actions]

    def principal(self, who: str) -> str:
        """Return the ARN of a principal."""
        if who in ROLES:
            return self.deployment.arn(ROLES[who])
        return f"arn:{self.deployment.partition}:iam::{self.deployment.account}:role/{who}"

    def identity(self, who: str) -> list[Statement]:
        """Return the identity policies of a principal."""
        return self._own[who] if who in self._own else self.deployment.roles[ROLES[who]]

    def _decide(self, who: str, request: Request) -> Decision:
        if request.action.startswith("kms:") and ":key/" in request.resource and not request.resource.endswith("*"):
            return evaluate(request, self.identity(who), self.facts.key_policies.get(request.resource, []))
        return evaluate(request, self.identity(who))


def missing_permissions(judged: Iterable[Judged]) -> list[str]:
    """Return one line for each call without a permission, without repetitions."""
    return sorted({str(one) for one in judged if one.wrong})

"""The judge of a test process: judges the recorded calls of each test against the stack that the test plays."""

from __future__ import annotations

from tests.iam import recorder
from tests.iam.canonical import Canonical, Entry
from tests.iam.deployment import Deployment
from tests.iam.judge import Judge, Judged
from tests.iam.principals import principal
from tests.iam.recorded import lines


class Live:
    """Calls before the first `deployed` belong to no stack; only the state of resources is learned from them."""

    def __init__(self) -> None:
        self._judge = Judge(Deployment())
        self._deployed = False
        self._judged: list[Judged] = []
        self._entries: list[Entry] = []

    def deployed(self, deployment: Deployment) -> None:
        """Judge later calls against another stack."""
        if deployment is self._judge.deployment:
            return
        self._take()
        facts = self._judge.facts
        self._judge = Judge(deployment)
        self._judge.facts.tags, self._judge.facts.secret_keys = facts.tags, facts.secret_keys
        self._judge.facts.key_policies = {**facts.key_policies, **deployment.key_policies}
        self._deployed = True

    def drain(self) -> tuple[list[Judged], set[str]]:
        """Return what was judged since the last time, and the lines of the needs that were allowed."""
        self._take()
        found, self._judged = self._judged, []
        entries, self._entries = self._entries, []
        return found, lines(entries)

    def _take(self) -> None:
        calls, recorder.calls[:] = list(recorder.calls), []
        for call in calls:
            call["who"] = call["who"] or principal(call["from"])
            if not self._deployed:
                call["who"] = ""
        judged = self._judge.judge(calls)
        canonical = Canonical(self._judge.deployment)
        self._entries += [canonical.entry(one.principal, one.request) for one in judged if one.decision.allowed]
        self._judged += judged


live = Live()

"""The judge of a test process: checks the calls of each test against the stack that the test simulates."""

from __future__ import annotations

from dataclasses import replace

from tests.iam import recorder
from tests.iam.canonical import Canonical, Entry
from tests.iam.deployment import Deployment
from tests.iam.judge import Judge, Judged
from tests.iam.operations import Operation, called, invalid
from tests.iam.principals import principal
from tests.iam.recorded import lines

# Suites whose calls are judged; tests of other suites use roles that no stack has. The needs of RECORDED are stored:
# the calls of the other two vary, because they are random or wait for schedules.
RECORDED = ("tests/functions/", "tests/contract/aws/dynamodb/", "tests/contract/issuers/")
JUDGED = (*RECORDED, "tests/crash/", "tests/stack/")


class Live:
    """Judges the calls of the suites above; all other calls only update the state of resources."""

    def __init__(self) -> None:
        self._judge = Judge(Deployment())
        self._judging = False
        self._judged: list[Judged] = []
        self._entries: list[Entry] = []
        self._operations: set[Operation] = set()
        self._invalid: set[str] = set()

    def deployed(self, deployment: Deployment) -> None:
        """Judge later calls against another stack."""
        if deployment is self._judge.deployment:
            return
        self._take()
        facts = self._judge.facts
        self._judge = Judge(deployment)
        self._judge.facts = replace(facts, key_policies={**facts.key_policies, **deployment.key_policies})

    def begin(self, test: str) -> None:
        """Start a test; judge its calls if its suite is listed."""
        self.drain()
        self._judging = test.startswith(JUDGED)

    def drain(self) -> tuple[list[Judged], set[str]]:
        """Return the decisions since the last time, and the lines of the allowed needs."""
        self._take()
        found, self._judged = self._judged, []
        entries, self._entries = self._entries, []
        return found, lines(entries)

    def operations(self) -> set[Operation]:
        """Return the operations that functions have called since the last time, in judged suites and others."""
        self._take()
        found, self._operations = self._operations, set()
        return found

    def invalid(self) -> set[str]:
        """Return calls of functions with wrong parameters since the last time, in judged suites.

        In others, parameters come from hostile answers.
        """
        self._take()
        found, self._invalid = self._invalid, set()
        return found

    def _take(self) -> None:
        calls, recorder.calls[:] = list(recorder.calls), []
        self._operations |= called(calls)
        self._invalid |= invalid(calls) if self._judging else set()
        for call in calls:
            call["who"] = (call["who"] or principal(call["from"], call["operation"])) if self._judging else ""
        judged = self._judge.judge(calls)
        canonical = Canonical(self._judge.deployment)
        self._entries += [canonical.entry(one.principal, one.request) for one in judged if one.decision.allowed]
        self._judged += judged


live = Live()

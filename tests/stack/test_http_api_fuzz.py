"""Calls that schemathesis makes from the OpenAPI document, to the deployed stack over HTTPS; `make soak` makes 500."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from tests.fuzz.http_api import CHECKS, NOT_OFFERED, SERVER_ERROR, Planted, make_calls, name_existing
from tests.stack.conftest import Stack
from tests.stack.manager import Manager, managing

pytestmark = [pytest.mark.timeout(1_800)]

COUNT, FEWEST = 500, 100  # divided by the option --every, but not less
SEED = random.SystemRandom().randrange(2**32)
MANAGER = "/api/v1/cert-manager"
# Fields of answers that have an object with its id, or an id, and its kind.
_OBJECTS = {
    "certificateProfile": "profile", "certificatePolicy": "policy", "application": "application",
    "identity": "identity", "clientSecretData": "secret",
}  # fmt: skip
_IDS = {"certificateId": "certificate", "certificateRequestId": "request"}


class Known:
    """The ids of existing objects by kind, from answers; the manager's own identity is none of them."""

    def __init__(self, manager: Manager) -> None:
        self.ids: dict[str, list[str]] = {kind: [] for kind in (*_OBJECTS.values(), *_IDS.values(), "ca")}
        self.ids["project"] = [manager.project]
        cas = {one["name"]: one["id"] for one in manager.made("GET", f"{MANAGER}/ca/internal")}
        self.ids["ca"], self.ca = [*cas.values()], cas["issuing-ec"]

    def learn(self, answer: Any) -> None:
        """Keep the ids in an answer that created or changed something."""
        if isinstance(answer, list):
            for one in answer:
                self.learn(one)
        if not isinstance(answer, dict):
            return
        for name, value in answer.items():
            if name in _OBJECTS and isinstance(value, dict):
                self._add(_OBJECTS[name], value.get("id"))
            elif name in _IDS:
                self._add(_IDS[name], value)
            self.learn(value)

    def _add(self, kind: str, found: Any) -> None:
        if isinstance(found, str) and found and found not in self.ids[kind]:
            self.ids[kind].append(found)


@pytest.fixture(scope="module")
def manager(stack: Stack) -> Iterator[Manager]:
    with managing(stack, "fuzzed") as found:
        yield found


def test_deployed_api_answers_as_documented(manager: Manager, every: int, tmp_path: Path) -> None:
    trust = tmp_path / "ca.pem"
    trust.write_text(manager.authority.ca_bundle)
    document = manager.made("GET", "/api/openapi.json")
    count = max(COUNT // every, FEWEST)
    known, chance, statuses = Known(manager), random.Random(SEED), Counter[int]()
    planted = Planted(
        lambda path, body: manager.made("POST", path, body), manager.project, "fuzzed", known.ca, lasts=25
    )
    print(f"HTTP API, deployed: seed {SEED}")

    def send(case: Any) -> None:
        case.headers = {**(case.headers or {}), "authorization": f"Bearer {manager.token}"}
        planted.replace()
        name_existing(case, known.ids, chance, planted)
        answer = case.call(base_url=manager.authority.address, verify=str(trust), timeout=60)
        status = answer.status_code
        statuses[status] += 1
        if status == NOT_OFFERED:
            return
        called = (case.operation.method, case.operation.path, case.path_parameters, case.query, case.body)
        assert status < SERVER_ERROR, (*called, status, answer.content[:300])
        case.validate_response(answer, checks=CHECKS)
        if status == 200 and case.operation.method.upper() in {"POST", "PATCH", "PUT"}:
            known.learn(answer.json())

    make_calls(schemathesis.openapi.from_dict(document), count, SEED, send, statuses.total)
    print(f"HTTP API, deployed: {statuses.total()} calls, statuses {dict(sorted(statuses.items()))}")
    assert statuses.total() >= count
    assert statuses[200] > 10, "the calls reach too little"
    assert manager.made("GET", f"{MANAGER}/ca/internal"), "the manager still is one"

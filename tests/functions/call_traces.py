"""Compare the call traces of docs/explanation/architecture.md with measured ones.

`test_call_trace.py` runs this file in a process of its own, because caches that other tests fill shorten a trace.
`WRITE_TRACES=1 python -m pytest tests/functions/call_traces.py` writes the traces into the page.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.doubles.authority.client import CERTIFICATES, Client, csr
from tests.doubles.authority.server import event_of
from tests.doubles.fakes import spec
from tests.doubles.world import World
from tests.functions.conftest import event
from tests.tools.call_trace import Trace, traced
from tests.tools.local_stack import ROOT

PAGE = ROOT / "docs" / "explanation" / "architecture.md"
CERTIFICATE = (
    "A certificate of the issuer `self-signed`, stored in one secret, from the tick of the checker to the event,"
)
REQUEST = "A request with a CSR, from the HTTP event to the response (the signer called directly, tables and KMS replaced by doubles),"


def compare(name: str, intro: str, trace: Trace) -> None:
    """Compare the section of the page with the trace, or write it."""
    text = PAGE.read_text()
    section = re.compile(rf"(<!-- trace: {name} -->\n).*?(<!-- trace: end -->)", re.DOTALL)
    if os.environ.get("WRITE_TRACES"):
        PAGE.write_text(section.sub(lambda match: f"{match[1]}\n{trace.section(intro)}\n{match[2]}", text, count=1))
    found = section.search(PAGE.read_text())
    assert found is not None
    assert trace.table() in found[0]
    hops = re.search(r"with (\d+) calls", found[0])
    assert hops is not None
    assert int(hops[1]) == pytest.approx(trace.hops, rel=0.1)


def test_architecture_page_traces_a_certificate(world: World, function: Any, context: Any) -> None:
    world.clock.now = datetime.now(UTC) - timedelta(seconds=1)
    world.want(spec(destinations=[{"type": "secrets-manager", "secret": world.secret}]), {"type": "self-signed"})
    checker, issuer = function("checker"), function("issuer")
    message = event("issue.json")
    message["Records"] = message["Records"][:1]

    def work() -> None:
        checker.handler(event("schedule.json"), context)
        issuer.handler(message, context)

    compare("certificate", CERTIFICATE, traced(work))
    assert world.events()[0]["type"] == "certificate.issued"


def test_architecture_page_traces_a_request(context: Any) -> None:
    client = Client("request")
    _, request = csr()
    body = json.dumps({"profileId": client.profile.id, "csr": request, "attributes": {"ttl": "90d"}}).encode()
    call = event_of("POST", CERTIFICATES, {"authorization": f"Bearer {client.token}"}, body)
    answers: list[dict[str, Any]] = []
    trace = traced(lambda: answers.append(client.module.handler(call, context)))
    compare("request", REQUEST, trace)
    assert answers[0]["statusCode"] == 200

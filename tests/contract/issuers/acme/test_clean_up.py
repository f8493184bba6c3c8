"""Answers are removed after an order, whatever its end, and delay a certificate by little."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.errors import NotProven
from evercert.issuers.acme.challenges import LAST_TRIES
from evercert.issuers.acme.issuer import CLEAN_UP_LATER, MOST_CLEAN_UPS
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer

NAME = "www.example.com"


@pytest.mark.parametrize("busy", range(1, MOST_CLEAN_UPS + 1))
def test_answer_is_removed_by_a_later_step(bench: AcmeBench, server: AcmeServer, busy: int) -> None:
    bench.answers.busy = busy
    bench.finish(bench.request(NAME))
    assert bench.answers.left == []
    assert bench.waits.count(CLEAN_UP_LATER) == busy
    assert len(server.issued) == 1


def test_answer_that_remains_delays_no_longer(bench: AcmeBench, server: AcmeServer) -> None:
    bench.answers.busy = 1_000
    bench.finish(bench.request(NAME))
    assert len(bench.answers.left) == 1
    assert sum(bench.waits, timedelta(0)) <= (MOST_CLEAN_UPS + 1) * CLEAN_UP_LATER
    assert len(server.issued) == 1


def test_answer_of_a_failed_order_is_removed(bench: AcmeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.answers.busy = LAST_TRIES - 1
    monkeypatch.setattr(bench.answers, "file", lambda *_: None)
    with pytest.raises(NotProven):
        bench.finish(bench.request(NAME))
    assert bench.answers.left == []


def test_answer_of_a_cancelled_order_is_removed(bench: AcmeBench) -> None:
    request = bench.request(NAME)
    for _ in range(3):
        request = bench.step(request)
    assert len(bench.answers.left) == 1
    bench.answers.busy = LAST_TRIES - 1
    bench.issuer.cancel(request.handle)
    assert bench.answers.left == []

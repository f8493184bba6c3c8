"""Output of `make demo`: one line per step, everything of a failed step, and the timeline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.tools.step_output import step
from tests.tools.timeline import Received, lines

WIDTH = 100
SECRET = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:evercert/certificates/app.example.com-a1b2c3"
CERTIFICATE = "arn:aws:acm:eu-central-1:000000000000:certificate/26f7ec78-620a-4c57-865a-a0a1b84654c0"


def received(subject: str, kind: str, serial: str, minute: int) -> Received:
    data: dict[str, Any] = {
        "serial_number": serial,
        "not_after": "2026-11-28T17:30:00.000Z",
        "locations": [
            {"location": SECRET, "version": "86ce81c6-01de-46da-b3aa-5fbb8e739da1"},
            {"location": CERTIFICATE, "version": serial},
        ],
    }
    event = {"type": f"certificate.{kind}", "subject": subject, "time": f"2026-11-28T17:{minute}:16.062Z", "data": data}
    return Received(event, datetime(2026, 11, 28, 17, minute, 18, tzinfo=UTC))


def _fail() -> None:
    with step("deploy the stack"):
        print("many lines\nof JSON")
        raise ValueError("wrong")


def test_step_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with step("deploy the stack"):
        print("many lines\nof JSON")
    assert capsys.readouterr().out == "   0.0 s  deploy the stack\n"


def test_step_that_fails_prints_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="wrong"):
        _fail()
    assert capsys.readouterr().out == "   0.0 s  FAILED: deploy the stack\nmany lines\nof JSON\n"


def test_timeline_has_a_block_for_each_certificate() -> None:
    serial = "02EE74267B0DD0EDF9C43BF2C9D742A2D4DED479"
    found = list(
        lines(
            [
                received("web", "issued", serial, 15),
                received("app", "issued", "07", 16),
                received("web", "renewed", "08", 17),
            ]
        )
    )
    assert [line for line in found if not line.startswith("   ")] == ["Timeline (UTC)", "  web", "  app"]
    assert found[2:6] == [
        "    17:15:16  issued   serial 02EE74267B0DD0ED…, valid until 17:30:00, event received 17:15:18",
        "              → Secrets Manager evercert/certificates/app.example.com-a1b2c3, version 86ce81c6",
        "              → ACM certificate/26f7ec78-620a-4c57-865a-a0a1b84654c0",
        "    17:17:16  renewed  serial 08, valid until 17:30:00, event received 17:17:18",
    ]
    assert max(map(len, found)) <= WIDTH


def test_timeline_shows_the_date_of_a_later_day() -> None:
    later = received("shop", "issued", "07", 15)
    later.event["data"]["not_after"] = "2031-11-28T17:14:00.000Z"
    assert "valid until 2031-11-28, event" in list(lines([later]))[2]

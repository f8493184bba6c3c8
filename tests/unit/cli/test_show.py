"""Tables for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.contracts.record import Facts, Record
from evercert.operations.row_note import note
from evercert.operations.summaries import summary
from evercert.timestamps import to_text
from tests.doubles.fakes import START, spec


def record(begins: timedelta) -> Record:
    facts = Facts(
        revision=1, serial_number="1", not_before=START + begins, not_after=START + timedelta(days=90),
        fingerprint_sha256="f", names=(),
    )  # fmt: skip
    return Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=spec(), generation=1, facts=facts)


@pytest.mark.parametrize("error", [None, "no route"])
def test_list_notes_a_certificate_that_is_not_yet_valid(error: str | None) -> None:
    early, now = timedelta(minutes=6), START
    row = summary(record(early), now) | {"error": error}
    assert note(row, now) == "; ".join(filter(None, (f"not valid before {to_text(now + early)}", error)))
    assert note(summary(record(timedelta(minutes=5)), now) | {"error": error}, now) == (error or "")
    assert note({"name": "x", "error": error}, now) == (error or "")

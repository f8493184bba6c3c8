"""Records: the numbers of revisions, also after manual edits."""

from __future__ import annotations

import pytest

from evercert.contracts.part import LAST_COUNT
from evercert.contracts.record import Delivery, Record
from evercert.errors import Rejected
from tests.doubles.fakes import spec

RECORD = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=spec(), generation=1)


@pytest.mark.parametrize("revision", [-1, LAST_COUNT + 1, 10**20], ids=str)
def test_delivery_refuses_an_impossible_revision(revision: int) -> None:
    with pytest.raises(ValueError, match="revision"):
        Delivery(revision=revision)


def test_next_revision_is_above_every_delivery() -> None:
    assert RECORD.model_copy(update={"deliveries": {"a": Delivery(revision=7)}}).next_revision == 8


def test_last_revision_has_no_successor() -> None:
    """A higher one would make the record unreadable once it is stored."""
    last = RECORD.model_copy(update={"deliveries": {"a": Delivery(revision=LAST_COUNT)}})
    with pytest.raises(
        Rejected, match="no revision follows 99999999: a manual edit set it; delete web and apply it again"
    ):
        _ = last.next_revision

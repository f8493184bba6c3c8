"""Owner of a resource: the value of its tag, and the comparison with values that are found."""

from __future__ import annotations

import re

import pytest

from evercert.aws.tags import Owner
from evercert.errors import Misconfigured

STACK_ID = "arn:aws:cloudformation:eu-central-1:111122223333:stack/evercert/0f1e-4d"
OWNER = Owner.of(STACK_ID)


def test_owner_is_unique_across_regions_and_accounts() -> None:
    assert str(OWNER) == "111122223333/eu-central-1/evercert"
    others = (STACK_ID.replace("eu-central-1", "us-east-1"), STACK_ID.replace("3333", "4444"))
    assert len({str(Owner.of(stack_id)) for stack_id in (STACK_ID, *others)}) == 3


def test_owner_survives_the_recreation_of_its_stack() -> None:
    assert Owner.of(STACK_ID.replace("0f1e", "2a3b")) == OWNER


def test_owner_is_a_valid_tag_value() -> None:
    longest = str(Owner("1" * 12, "us-gov-northwest-1", "s" * 128))
    assert len(longest) <= 256
    assert re.fullmatch(r"[A-Za-z0-9 _.:/=+@-]*", longest)


@pytest.mark.parametrize(
    "stack_id", ["", "evercert", "arn:aws:cloudformation:eu-central-1:1:stack/a/b", f"{STACK_ID}\n"]
)
def test_owner_refuses_an_invalid_stack_id(stack_id: str) -> None:
    with pytest.raises(Misconfigured, match="must be the ARN of a CloudFormation stack"):
        Owner.of(stack_id)


@pytest.mark.parametrize(
    ("value", "ownership"),
    [
        ("111122223333/eu-central-1/evercert", "ours"),
        ("evercert", "old-tag"),
        (None, "untagged"),
        ("", "foreign"),
        ("another", "foreign"),
        ("111122223333/us-east-1/evercert", "foreign"),
        ("444422223333/eu-central-1/evercert", "foreign"),
        ("111122223333/eu-central-1/evercert-2", "foreign"),
    ],
)
def test_owner_compares_a_tag(value: str | None, ownership: str) -> None:
    assert OWNER.compare(value) == ownership

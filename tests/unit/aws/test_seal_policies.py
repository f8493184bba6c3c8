"""Policies of seal keys: the command writes those of the template."""

from __future__ import annotations

import pytest

from evercert.aws.seal_policies import seal_policy
from evercert.errors import Misconfigured
from tests.iam.deployment import Deployment


@pytest.mark.parametrize("parameters", [{}, {"RestoredStack": "old"}], ids=["own", "taken-over"])
@pytest.mark.parametrize(("key", "role"), [("SealKey", "IssuerRole"), ("AuthoritySealKey", "AuthorityRole")])
def test_seal_policy_is_that_of_the_template(key: str, role: str, parameters: dict[str, str]) -> None:
    found = Deployment({"Authority": "yes", **parameters}, stack="new", physical={role: "new-role-1"})
    name = parameters.get("RestoredStack", "new")
    assert seal_policy(found.arn(role), name) == found.key_documents[found.arn(key)]


def test_seal_policy_refuses_what_is_no_role() -> None:
    with pytest.raises(Misconfigured, match="not the ARN of a role"):
        seal_policy("arn:aws:iam::111122223333:user/x", "old")

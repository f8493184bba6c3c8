"""Policies of seal keys: the command writes those of the template."""

from __future__ import annotations

import pytest

from evercert.aws.seal_policies import seal_policy
from evercert.cli.retained_keys import SEAL_KEYS
from evercert.errors import Misconfigured
from tests.iam.deployment import Deployment


@pytest.mark.parametrize("parameters", [{}, {"RestoredStack": "old"}], ids=["own", "taken-over"])
@pytest.mark.parametrize(("parameter", "roles"), SEAL_KEYS.items())
def test_seal_policy_is_that_of_the_template(
    parameter: str, roles: tuple[str, ...], parameters: dict[str, str]
) -> None:
    physical = {role: f"new-{role}" for role in roles}
    found = Deployment({"Authority": "yes", **parameters}, stack="new", physical=physical)
    name, key = parameters.get("RestoredStack", "new"), parameter.removeprefix("Restored")
    assert seal_policy([found.arn(role) for role in roles], name) == found.key_documents[found.arn(key)]


def test_seal_policy_refuses_what_is_no_role() -> None:
    with pytest.raises(Misconfigured, match="not the ARN of a role"):
        seal_policy(["arn:aws:iam::111122223333:role/x", "arn:aws:iam::111122223333:user/x"], "old")

"""Tests of secret references."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evercert.documents.secret_reference import Reference
from evercert.schema import first_problem


@pytest.mark.parametrize(
    ("given", "name", "key"),
    [
        ({"aws-secret": "evercert/credentials/infisical"}, "evercert/credentials/infisical", None),
        (
            {"aws-secret": "evercert/credentials/a/b_c+=.@-#client-secret"},
            "evercert/credentials/a/b_c+=.@-",
            "client-secret",
        ),
        ({"aws-parameter": "/evercert/credentials/infisical"}, "/evercert/credentials/infisical", None),
        ({"aws-parameter": "/evercert/credentials/infisical#token"}, "/evercert/credentials/infisical", "token"),
    ],
)
def test_reference_has_a_name_and_an_optional_key(given: dict[str, str], name: str, key: str | None) -> None:
    reference = Reference.model_validate(given)
    assert (reference.name, reference.key) == (name, key)


@pytest.mark.parametrize(
    "given",
    [
        {}, {"aws-secret": "evercert/credentials/a", "aws-parameter": "/evercert/credentials/a"}, {"aws-secret": "production/canary"},
        {"aws-secret": "evercert/credentials/"}, {"aws-secret": "evercert/certificates/canary"}, {"aws-secret": "/evercert/credentials/canary"},
        {"aws-parameter": "evercert/credentials/canary"}, {"aws-secret": "evercert/credentials/a#"}, {"aws-secret": "canary with spaces"},
        {"aws-secret": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:evercert/credentials/canary"}, {"file": "/canary"},
        {"aws-secret": "evercert/credentials/a\nb"}, {"aws-secret": "evercert/credentials/a#b#c"}, {"aws-secret": ["evercert/credentials/a"]},
    ],
)  # fmt: skip
def test_reference_error_never_quotes_the_value(given: dict) -> None:
    with pytest.raises(ValidationError) as raised:
        Reference.model_validate(given)
    assert "canary" not in first_problem(raised.value)


def test_reference_str_names_kind_and_name() -> None:
    assert (
        str(Reference.model_validate({"aws-secret": "evercert/credentials/a#b"})) == "aws-secret evercert/credentials/a"
    )

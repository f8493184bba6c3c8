"""Policies in words."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from evercert.authority.policy.policy import NameType, Policy, SubjectType
from evercert.authority.policy.presets import PRESETS
from evercert.cli.web_console.policy_words import MOST, NAMES, words_of


def words(**rules: Any) -> dict[str, str]:
    return dict(words_of(Policy.model_validate(rules)))


def test_each_kind_of_name_has_words() -> None:
    assert NAMES.keys() == {*get_args(SubjectType), *get_args(NameType)}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_in_words(preset: str) -> None:
    found = dict(words_of(PRESETS[preset].policy))
    assert found["Lifetime"] == "at most 397d"
    assert found["DNS names"] == "allowed: any"
    assert found["Key usages"] == "required: digital_signature; allowed: key_encipherment"
    assert found["CA certificates"] == "denied"


def test_rules_in_words() -> None:
    rule = {"type": "organization", "allowed": ["Example"], "required": ["Example"], "denied": ["Other"]}
    found = words(subject=[rule], algorithms={"key-algorithm": ["any"]})
    assert found["Organization"] == "required: Example; allowed: Example; denied: Other"
    assert (found["Key algorithms"], found["Signature algorithms"]) == ("any", "none")
    assert found["Lifetime"] == "as long as the CA allows"


def test_long_lists_are_cut() -> None:
    hosts = [f"h{number}.example.com" for number in range(MOST + 5)]
    assert words(sans=[{"type": "dns_name", "allowed": hosts}])["DNS names"].endswith("h19.example.com, and 5 more")

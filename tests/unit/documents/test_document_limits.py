"""Limits of the work that one document causes, counted in problems and values: no clock decides."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.destinations import DESTINATIONS
from evercert.documents import document
from evercert.documents.document import Document, Kinds, Problem, read
from evercert.documents.problem import MOST_PROBLEMS, STOPPED
from evercert.documents.size import MOST_ENTRIES, MOST_NAMES, excess
from evercert.issuers import ISSUERS
from evercert.pki import identifiers

KINDS = Kinds(ISSUERS, DESTINATIONS)
GOOD = {"name": "web", "issuer": "main", "attributes": {"alt-names": ["a.example"]}, "destinations": [{"type": "acm"}]}


def with_certificates(*entries: object) -> dict[str, Any]:
    return {"version": "evercert/v1", "certificates": list(entries)}


def with_names(names: list[str], **attributes: Any) -> dict[str, Any]:
    return {**GOOD, "attributes": {"alt-names": names, **attributes}}


def problems(*entries: object) -> list[Problem]:
    found = read(with_certificates(*entries), KINDS)
    assert isinstance(found, list)
    return found


def test_read_ends_after_a_thousand_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    validated = []
    validate = document.Spec.model_validate
    monkeypatch.setattr(document.Spec, "model_validate", lambda entry: validated.append(entry) or validate(entry))
    found = problems(*[{"nam": 1, "issuer": 2}] * MOST_ENTRIES)
    assert len(found) == MOST_PROBLEMS + 1
    assert (found[-1].path, found[-1].message) == (found[-2].path, STOPPED)
    assert len(validated) <= MOST_PROBLEMS


def test_read_validates_no_certificate_after_invalid_issuers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document.Spec, "model_validate", lambda _: pytest.fail("validated"))
    issuers = {f"main-{number}": {"type": "mainframe"} for number in range(MOST_PROBLEMS)}
    found = read({**with_certificates(GOOD), "issuers": issuers}, KINDS)
    assert isinstance(found, list) and len(found) == MOST_PROBLEMS + 1


def test_read_accepts_thousands_of_certificates() -> None:
    found = read(with_certificates(*({**GOOD, "name": f"web-{number}"} for number in range(MOST_ENTRIES))), KINDS)
    assert isinstance(found, Document) and len(found.certificates) == MOST_ENTRIES


def test_read_refuses_thousands_of_entries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document.Document, "model_validate", lambda _: pytest.fail("validated"))
    (problem,) = problems(*[GOOD] * (MOST_ENTRIES + 1))
    expected = "the document has more than 2000 certificates; split it into several files"
    assert problem == Problem(("certificates",), expected)
    issuers = {f"main-{number}": {"type": "self-signed"} for number in range(MOST_ENTRIES + 1)}
    assert read({"version": "evercert/v1", "issuers": issuers}, KINDS) == [
        Problem(("issuers",), "the document has more than 2000 issuers; split it into several files")
    ]


@pytest.mark.parametrize(
    ("entry", "label", "limit"),
    [
        (with_names(["a b"] * 2_501), "alt-names", 2_500),
        (with_names(["a.example"], **{"key-usages": ["x"] * 101}), "key-usages", 100),
        (with_names(["a.example"], **{"extended-key-usages": ["x"] * 101}), "extended-key-usages", 100),
        (with_names(["a.example"], **{"domain-components": ["-"] * 254}), "domain-components", 253),
        ({**GOOD, "destinations": [{"type": "?"}] * 11}, "destinations", 10),
        ({**GOOD, "destinations": [{"type": "acm", "x": 1}] * 11}, "destinations", 10),
        ({**GOOD, "labels": {f"?{number}": 1 for number in range(21)}}, "labels", 20),
        ({**GOOD, "metadata": {f"?{number}": 1 for number in range(21)}}, "metadata", 20),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_long_lists_are_refused_before_their_elements(entry: object, label: str, limit: int) -> None:
    found = [problem for problem in problems(entry) if "unknown key 'x'" not in problem.message]
    assert [problem.message for problem in found] == [f"{label}: give at most {limit}"]


def test_settings_of_surplus_destinations_are_not_validated() -> None:
    found = problems({**GOOD, "destinations": [{"type": "acm", "x": 1}] * 50})
    assert sum("unknown key 'x'" in problem.message for problem in found) == 10


@pytest.mark.parametrize(
    ("names", "most"),
    [(["a.example"] * 2_499, 8), (["b\u00fccher.example"] * 499, 2), (["xn--bcher-kva.example"] * 499, 2),
     (["a,b,c,d,e"] * 999, 4), (["a" * 254] * 249, 2), (["\u00fc" * 600] * 166, 2)],
    ids=["ASCII", "international", "A-labels", "lists", "long", "long and international"],
)  # fmt: skip
def test_read_counts_names_before_it_parses_them(names: list[str], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert excess(with_certificates(*[with_names(names)] * most)) is None
    monkeypatch.setattr(identifiers, "_canonical", lambda *_: pytest.fail("parsed"))
    (problem,) = problems(*[with_names(names)] * (most + 1))
    assert problem.path == ("certificates", most, "attributes")
    expected = (
        f"attributes: the document has more than {MOST_NAMES} names, where a long or an international one counts as 20"
    )
    assert problem.message == f"{expected}; split it into several files"


def test_read_counts_international_common_names() -> None:
    entry = {**GOOD, "attributes": {"common-name": "b\u00fccher.example"}}
    (problem,) = problems(*[entry] * 1_001)
    assert problem.path == ("certificates", 1_000, "attributes")
    both = {"common-name": "b\u00fccher.example", "alt-names": ["b\u00fccher.example"]}
    assert excess(with_certificates(*[{**GOOD, "attributes": both}] * 1_000)) is None


@pytest.mark.parametrize("key", ["labels", "metadata"])
def test_problems_show_only_the_begin_of_a_key(key: str) -> None:
    assert {len(problem.message) < 500 for problem in problems({**GOOD, key: {"x y" * 10_000: "v" * 1_000}})} == {True}

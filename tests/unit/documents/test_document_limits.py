"""Limits of the work that one document causes, counted in problems and values: no clock decides."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.destinations import DESTINATIONS
from evercert.documents import document
from evercert.documents.document import Document, Kinds, Problem, read
from evercert.documents.name_count import MOST_NAMES, surplus_names
from evercert.documents.problem import MOST_PROBLEMS, STOPPED
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
    found = problems(*[{"nam": 1, "issuer": 2}] * 5_000)
    assert len(found) == MOST_PROBLEMS + 1
    assert (found[-1].path, found[-1].message) == (found[-2].path, STOPPED)
    assert len(validated) <= MOST_PROBLEMS


def test_read_validates_no_certificate_after_invalid_issuers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document.Spec, "model_validate", lambda _: pytest.fail("validated"))
    issuers = {f"main-{number}": {"type": "mainframe"} for number in range(MOST_PROBLEMS)}
    found = read({**with_certificates(GOOD), "issuers": issuers}, KINDS)
    assert isinstance(found, list) and len(found) == MOST_PROBLEMS + 1


def test_read_accepts_thousands_of_certificates() -> None:
    found = read(with_certificates(*({**GOOD, "name": f"web-{number}"} for number in range(2_000))), KINDS)
    assert isinstance(found, Document) and len(found.certificates) == 2_000


@pytest.mark.parametrize(
    ("entry", "label", "limit"),
    [
        (with_names(["a b"] * 5_001), "alt-names", 5_000),
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
    [(["a.example"] * 2_500, 8), (["b\u00fccher.example"] * 1_000, 2), (["xn--bcher-kva.example"] * 1_000, 2),
     (["a,b,c,d,e"] * 1_000, 4)],
    ids=["ASCII", "international", "A-labels", "lists"],
)  # fmt: skip
def test_read_counts_names_before_it_parses_them(names: list[str], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert surplus_names(with_certificates(*[with_names(names)] * most)) is None
    monkeypatch.setattr(identifiers, "_canonical", lambda *_: pytest.fail("parsed"))
    (problem,) = problems(*[with_names(names)] * (most + 1))
    assert problem.path == ("certificates", most, "attributes", "alt-names")
    expected = (
        f"alt-names: the document has more than {MOST_NAMES} alternative names, where an international one counts as 10"
    )
    assert problem.message == f"{expected}; split it into several files"

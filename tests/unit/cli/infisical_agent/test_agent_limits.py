"""Limits of the work that one agent document causes, counted in problems and names: no clock decides."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.cli.files import KINDS
from evercert.cli.infisical_agent import requested_names
from evercert.cli.infisical_agent.translation import read
from evercert.documents.problem import MOST_PROBLEMS, STOPPED, Problem
from evercert.pki import name_mistakes
from tests.samples.agent_documents import accepted, document, entry, host, outputs


def problems(data: dict[str, Any]) -> list[Problem]:
    found = read(data, KINDS, host())
    assert isinstance(found, list)
    return found


def test_agent_names_are_counted_before_they_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requested_names, "parse_valid", lambda _: pytest.fail("parsed"))
    names = {"alt-names": [",".join(["a.example"] * 20)] * 1_001}
    (problem,) = problems(document(entry(), entry(attributes=names)))
    assert problem.path == ("certificates", 1, "attributes")
    assert problem.message.startswith("certificate 2: attributes: the document has more than 20000 names")


def test_agent_certificates_are_counted() -> None:
    (problem,) = problems(document(*[entry()] * 2_001))
    assert problem.message == "the document has more than 2000 certificates; split it into several files"


def test_agent_document_ends_after_a_thousand_problems() -> None:
    found = problems(document(*[entry(lifecycle={"renew-before-expiry": "soon"})] * 1_500))
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1].message.endswith(STOPPED)


def test_unknown_agent_keys_are_compared_a_thousand_times() -> None:
    unknown = {f"certificate-ie{number}": 1 for number in range(MOST_PROBLEMS + 2)}
    found = [problem for problem in problems(document(entry(**unknown))) if "unknown keys" in problem.message]
    (problem,) = found
    assert problem.path == ("certificates", 0, f"certificate-ie{MOST_PROBLEMS}")
    assert problem.message == f"certificate 1: has more than {MOST_PROBLEMS} unknown keys; remove them"


def test_agent_names_that_are_no_uris_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_mistakes, "find", lambda _: pytest.fail("searched"))
    assert list(requested_names._alternatives("a_b c")) == [("a_b c", None)]


def test_thousands_of_agent_certificates_are_accepted() -> None:
    entries = [
        entry(attributes={"common-name": f"w{number}.example"}, file_output=outputs(f"w{number}"))
        for number in range(1_500)
    ]
    assert len(accepted(document(*entries)).document.certificates) == 1_500

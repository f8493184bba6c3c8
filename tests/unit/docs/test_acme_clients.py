"""The generated parts of docs/reference/acme-clients.md: complete, in order, and without values of one run."""

from __future__ import annotations

import re

import pytest

from tests.tools.acme_clients import examples, table
from tests.tools.acme_clients.all_clients import CLIENTS
from tests.tools.acme_clients.client import Client
from tests.tools.acme_clients.operations import OPERATIONS, YES
from tests.tools.acme_clients.table import PAGE, Result, written
from tests.tools.local_stack import ROOT

EMPTY = "# Page\n<!-- operations: generated -->\n<!-- operations: end -->\nText\n<!-- commands: generated -->\n<!-- commands: end -->\nEnd\n"


def promised(kind: type[Client]) -> dict[str, str]:
    """Return what a client does if all its operations succeed, as its test stores it."""
    found = dict.fromkeys(OPERATIONS, YES) | {"register": "with EAB" if kind.eab else "without EAB"}
    return found | dict(kind.without)


def result(name: str = "client", **operations: str) -> Result:
    return Result(name, "1.0", "Debian", dict.fromkeys(OPERATIONS, YES) | operations, f"{name} run")


def rows(page: str) -> list[str]:
    part = page.partition("<!-- operations: generated -->")[2].partition("<!-- operations: end -->")[0]
    return [f"{line}\n" for line in part.splitlines() if line.startswith("| ")][2:]


def test_page_has_one_row_for_each_client_in_order() -> None:
    expected = [Result(kind.name, kind.version, kind.source, promised(kind), "").row() for kind in CLIENTS]
    assert rows(PAGE.read_text()) == expected


def test_page_has_the_commands_of_each_client() -> None:
    found = re.findall(r"^### (.*)$", PAGE.read_text().partition("## Commands")[2], re.MULTILINE)
    assert found == [f"{kind.name} {kind.version}" for kind in CLIENTS]


def test_page_has_no_values_of_a_run() -> None:
    text = PAGE.read_text()
    assert not re.search(rf"/tmp/|127\.0\.0\.1|{re.escape(str(ROOT))}|[0-9a-f]{{8}}-[0-9a-f]{{4}}-", text)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.__name__.lower()) for kind in CLIENTS])
def test_client_knows_each_operation_that_it_lacks(kind: type[Client]) -> None:
    assert set(kind.without) <= set(OPERATIONS) - {"register", "http-01"}
    for operation, method in {"renew": "renew", "revoke": "revoke", "key change": "change_key"}.items():
        written_here = getattr(kind, method) is not getattr(Client, method)
        assert written_here or operation in kind.without


def test_problems_name_a_row_and_commands_that_differ() -> None:
    page = written(EMPTY, [result()])
    assert result().problems(page) == []
    changed = result(revoke="no such command")
    assert [problem.split(": run")[0] for problem in changed.problems(page)] == [
        "docs/reference/acme-clients.md: the table of client 1.0 differs"
    ]
    assert len(result("other").problems(page)) == 2


def test_written_replaces_only_the_generated_parts() -> None:
    page = written(written(EMPTY, [result("first")]), [result("second")])
    assert "first" not in page
    assert rows(page) == [result("second").row()]
    assert page.startswith("# Page\n")
    assert "\nText\n" in page
    assert page.endswith("\nEnd\n")


def test_write_refuses_an_incomplete_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["table", "--write"])
    before = PAGE.read_text()
    assert table.main() == 1
    assert "no results of" in capsys.readouterr().out
    assert PAGE.read_text() == before


def test_commands_have_placeholders_and_breaks_before_options() -> None:
    command = [f"{ROOT}/.local/sdks/x/bin/client", "--server", "https://x/directory", "--a", "b" * 80, "--c", "d e"]
    values = {"https://x/directory": "DIRECTORY"}
    shown = examples.line([examples.plain(part, values) for part in command], {"CA": "ca.pem"})
    assert shown == f"CA=ca.pem client --server DIRECTORY \\\n  --a {'b' * 80} --c 'd e'"

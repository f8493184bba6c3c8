"""`evercert issuer`: what it shows of definitions and accounts, and what it asks the issuer function."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from evercert.registry import Component
from tests.unit.cli.issuers.conftest import ACCOUNT, DIRECTORY, INFISICAL, SEALED, SECRET, Evercert, Stack, acme

# -- list and show ---------------------------------------------------------------------------------------------------


def test_list_shows_every_issuer(stack: Stack, evercert: Evercert) -> None:
    stack.paused[PauseTarget("main")] = Pause(datetime(2026, 1, 15, tzinfo=UTC), "audit")
    code, out, err = evercert("list", "--json")
    rows = {row.pop("name"): row for row in json.loads(out)}
    assert (code, err, list(rows)) == (0, "", ["broken", "letsencrypt", "main", "mistaken"])
    valid = {"type": "acme", "address": DIRECTORY, "profile": "classic", "paused": False, "problem": None}
    assert rows["letsencrypt"] == valid
    assert rows["main"] == {"type": "self-signed", "address": None, "profile": None, "paused": True, "problem": None}
    assert rows["broken"]["problem"] == "the definition of issuer 'broken' does not parse; apply it again"


def test_list_prints_a_table_and_the_pauses(stack: Stack, evercert: Evercert) -> None:
    stack.paused[STACK] = Pause(None)
    code, out, err = evercert("list")
    assert code == 0 and out.splitlines()[0].split() == ["NAME", "TYPE", "ADDRESS", "PROFILE", "PAUSED", "PROBLEM"]
    assert [line.count("paused") for line in out.splitlines()[1:]] == [1, 1, 1, 1]
    assert "the stack is paused; to resume it, run: evercert resume" in err


def test_list_says_that_no_issuer_is_defined(stack: Stack, evercert: Evercert) -> None:
    stack.defined = {}
    assert evercert("list")[1] == "No issuers yet; write a document with `issuers:` and run: evercert apply FILE\n"
    assert json.loads(evercert("list", "--json")[1]) == []


@pytest.mark.parametrize("arguments", [("list",), ("show", "mistaken")], ids=["list", "show"])
@pytest.mark.parametrize("option", [(), ("--json",)], ids=["text", "json"])
def test_settings_that_are_invalid_are_hidden(
    arguments: tuple[str, ...], option: tuple[str, ...], evercert: Evercert
) -> None:
    code, out, err = evercert(*arguments, *option)
    assert (code, SECRET in out + err) == (0, False)
    assert "token" in out and "mistaken" in out


def test_show_prints_settings_pauses_and_account(stack: Stack, evercert: Evercert) -> None:
    stack.paused = {
        PauseTarget("letsencrypt"): Pause(datetime(2026, 1, 15, tzinfo=UTC), "audit"),
        PauseTarget("main"): Pause(None),
    }
    code, out, _ = evercert("show", "letsencrypt", "--json")
    assert (code, json.loads(out)) == (
        0,
        {
            "name": "letsencrypt",
            "type": "acme",
            "settings": acme(profile="classic", email="ops@example.com").settings,
            "problem": None,
            "pauses": [
                {
                    "issuer": "letsencrypt",
                    "certificate": None,
                    "since": "2026-01-15T00:00:00.000Z",
                    "until": None,
                    "reason": "audit",
                }
            ],
            "account": {"url": ACCOUNT, "contact": ["mailto:ops@example.com"]},
        },
    )


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["text", "json"])
def test_show_never_prints_the_key_of_the_account(option: tuple[str, ...], evercert: Evercert) -> None:
    _, out, err = evercert("show", "letsencrypt", *option)
    assert ACCOUNT in out and SEALED not in out + err


def test_show_says_that_no_account_is_registered(stack: Stack, evercert: Evercert) -> None:
    del stack.account["url"]
    assert evercert("show", "letsencrypt")[1].endswith("account: not registered; the first certificate registers it\n")
    assert json.loads(evercert("show", "letsencrypt", "--json")[1])["account"] is None


def test_show_reads_no_account_of_other_types(stack: Stack, evercert: Evercert) -> None:
    stack.get_item = None  # type: ignore[method-assign,assignment]
    code, out, _ = evercert("show", "main")
    assert (code, out) == (0, "name: main\ntype: self-signed\nsettings: {}\n")


@pytest.mark.parametrize(
    ("command", "name", "hint"),
    [
        ("show", "letsencript", "; did you mean 'letsencrypt'?"),
        ("test", "letsencript", "; did you mean 'letsencrypt'?"),
        ("show", "zzz", "; to see all names, run: evercert issuer list"),
    ],
)
def test_unknown_issuer_names_the_nearest_one(command: str, name: str, hint: str, evercert: Evercert) -> None:
    assert evercert(command, name) == (2, "", f"evercert: there is no issuer {name!r}{hint}\n")


# -- test ------------------------------------------------------------------------------------------------------------


def test_issuer_test_asks_the_function_once(stack: Stack, evercert: Evercert) -> None:
    code, out, _ = evercert("test", "letsencrypt", "--name", "WWW.example.com", "--name", "www.example.com", "--json")
    assert stack.events == [{"test": {"issuer": "letsencrypt", "names": ["www.example.com"]}}]
    assert (code, json.loads(out)) == (0, [{"check": "definition", "status": "ok", "found": "valid", "remedy": ""}])


def test_issuer_test_fails_with_a_failed_check(stack: Stack, evercert: Evercert) -> None:
    stack.answer["checks"] += [{"check": "server", "found": "", "problem": "no answer; check the address"}]
    code, out, _ = evercert("test", "main")
    assert code == 1
    assert [line.rstrip().split(maxsplit=2) for line in out.splitlines()[1:]] == [
        ["definition", "ok", "valid"],
        ["server", "failed", "no answer; check the address"],
    ]


def test_issuer_test_reports_definitions_that_do_not_parse(stack: Stack, evercert: Evercert) -> None:
    stack.answer = {"checks": [{"check": "definition", "found": "", "problem": "does not parse; apply it again"}]}
    code, out, _ = evercert("test", "broken", "--name", "www.example.com")
    assert code == 1 and "does not parse; apply it again" in out


@pytest.mark.parametrize(
    ("issuer", "names", "words"),
    [
        ("main", ["www.example.com"], "cannot check --name www.example.com: issuer main has no solvers; remove --name"),
        ("infisical", ["www.example.com"], "issuer infisical has no solvers; remove --name"),
        ("letsencrypt", ["ops@example.com"], "invalid --name 'ops@example.com': must be a DNS name or an IP address"),
        ("letsencrypt", ["-"], "invalid --name: "),
        ("letsencrypt", [f"{n}.example.com" for n in range(11)], "cannot check 11 names: pass at most 10 of them"),
    ],
    ids=["self-signed", "infisical", "email", "invalid", "many"],
)
def test_issuer_test_refuses_invalid_names(
    issuer: str, names: list[str], words: str, stack: Stack, evercert: Evercert
) -> None:
    stack.defined["infisical"] = Component.model_validate({"type": "infisical", **INFISICAL})
    code, out, err = evercert("test", issuer, *(f"--name={name}" for name in names))
    assert (code, out, err.count("\n"), stack.events) == (2, "", 1, [])
    assert words in err

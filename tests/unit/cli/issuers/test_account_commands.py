"""Commands for the account of an issuer: what they ask the issuer function and the operator."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from evercert.contracts.record import Record
from evercert.registry import Component
from tests.doubles.fakes import spec
from tests.unit.cli.issuers.conftest import DIRECTORY, SECRET, Evercert, Stack, acme

UID = "11111111-2222-4333-8444-555555555555"
COMMANDS = ["rotate-key", "deactivate-account", "register-account"]
CHANGES = {"rotate-key": "rotate-key", "deactivate-account": "deactivate", "register-account": "register"}


@pytest.fixture(autouse=True)
def certificates(stack: Stack) -> None:
    """Let two issuers share an account, and give each some certificates."""
    stack.defined["team"] = acme(email="team@example.com")
    stack.defined["elsewhere"] = acme(directory="https://other.example/directory")
    stack.answer = {"found": "changed the key of https://acme.example/account/1", "problem": None}
    issuers = ["letsencrypt", "letsencrypt", "team", "elsewhere", "main"]
    stack.certificates = [
        Record(name=f"c{number}", uid=UID, spec=spec(f"c{number}", issuer=issuer), generation=1)
        for number, issuer in enumerate(issuers)
    ]
    several = spec("several").model_copy(
        update={"issuers": ("main", "team")}
    )  # may use the account as its second choice
    stack.certificates.append(Record(name="several", uid=UID, spec=several, generation=1))


@pytest.mark.parametrize("command", COMMANDS)
def test_account_command_asks_the_function(command: str, stack: Stack, evercert: Evercert) -> None:
    yes = [] if command == "register-account" else ["--yes"]
    code, out, _ = evercert(command, "letsencrypt", "--json", *yes)
    assert stack.events == [{"account": {"issuer": "letsencrypt", "change": CHANGES[command]}}]
    answer = json.loads(out)
    assert (code, answer["issuer"], answer["result"]) == (0, "letsencrypt", stack.answer["found"])
    assert answer["issuers"] == ["letsencrypt", "team"]
    assert answer.get("certificates") == (4 if command == "deactivate-account" else None)


@pytest.mark.parametrize("command", ["rotate-key", "deactivate-account"])
def test_account_command_needs_a_confirmation(command: str, stack: Stack, evercert: Evercert) -> None:
    code, out, err = evercert(command, "letsencrypt")
    assert (code, out) == (2, "")
    assert "Cannot ask for confirmation without a terminal; pass --yes." in err
    assert stack.events == []


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Simulate a terminal at which `team` is typed; return the questions."""
    questions: list[str] = []

    def prompt(question: str, **_: Any) -> str:
        questions.append(question)
        return "team"

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(typer, "prompt", prompt)
    monkeypatch.setattr(typer, "confirm", lambda question, **_: questions.append(question))
    return questions


def test_deactivation_asks_for_the_name(stack: Stack, evercert: Evercert, asked: list[str]) -> None:
    assert evercert("deactivate-account", "letsencrypt")[:2] == (1, "")
    assert stack.events == []
    (question,) = asked
    assert question.startswith("Deactivate the account of issuers letsencrypt, team? It cannot be activated again.")
    assert "4 certificate(s) of these issuers cannot be renewed" in question
    assert question.endswith("Type letsencrypt to confirm")
    assert evercert("deactivate-account", "team")[0] == 0


def test_rotation_asks_and_stops(stack: Stack, evercert: Evercert, asked: list[str]) -> None:
    assert evercert("rotate-key", "letsencrypt")[0] == 1
    assert (asked, stack.events) == (["Replace the account key of issuers letsencrypt, team?"], [])


def test_result_names_the_issuers_of_the_account(stack: Stack, evercert: Evercert) -> None:
    assert evercert("rotate-key", "team", "-y")[1] == f"{stack.answer['found']} (issuers letsencrypt, team)\n"
    out = evercert("deactivate-account", "elsewhere", "-y")[1].splitlines()
    assert out[0].endswith(" (issuer elsewhere)")
    assert out[1] == "to register another account, run: evercert issuer register-account elsewhere"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("main", "issuer main has no account at a CA: only issuers of type acme have one"),
        ("broken", "cannot use issuer broken: the definition of issuer 'broken' does not parse; apply it again"),
        ("letsencript", "there is no issuer 'letsencript'; did you mean 'letsencrypt'?"),
    ],
    ids=["self-signed", "broken", "unknown"],
)
def test_account_command_refuses_other_issuers(
    command: str, name: str, words: str, stack: Stack, evercert: Evercert
) -> None:
    assert evercert(command, name)[::2] == (2, f"evercert: {words}\n")
    assert stack.events == []


def test_problem_of_the_function_is_printed(stack: Stack, evercert: Evercert) -> None:
    stack.answer = {"found": "", "problem": f"{DIRECTORY} has no keyChange\x1b[2J"}
    code, out, err = evercert("rotate-key", "letsencrypt", "--yes")
    assert (code, out) == (1, "")
    assert err.startswith(f"evercert: {DIRECTORY} has no keyChange") and "\x1b" not in err


@pytest.mark.parametrize("answer", [{}, [], {"errorMessage": "'Records'"}, {"found": ""}, None], ids=str)
def test_answer_of_another_release_is_reported(answer: Any, stack: Stack, evercert: Evercert) -> None:
    stack.answer = answer
    code, _, err = evercert("rotate-key", "letsencrypt", "--yes")
    assert code == 1
    assert "the issuer function failed: " in err and "deploy the stack with the same release" in err


def test_failed_function_is_reported(stack: Stack, evercert: Evercert, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = json.dumps({"found": "x", "problem": None, "errorMessage": "timed out"}).encode()
    answer = {"Payload": io.BytesIO(payload), "FunctionError": "Unhandled"}
    monkeypatch.setattr(stack, "invoke", lambda **_: answer)
    code, out, err = evercert("rotate-key", "letsencrypt", "--yes")
    assert (code, out) == (1, "") and "timed out" in err


def test_settings_with_a_secret_are_hidden(stack: Stack, evercert: Evercert) -> None:
    stack.defined["wrong"] = Component.model_validate({"type": "acme", "directory": DIRECTORY, "token": SECRET})
    code, out, err = evercert("rotate-key", "wrong", "--yes")
    assert (code, SECRET in out + err) == (2, False)


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["text", "json"])
def test_show_prints_no_next_key(option: tuple[str, ...], stack: Stack, evercert: Evercert) -> None:
    stack.account |= {"next_key": {"S": "sealed-next-key"}, "deactivated": {"BOOL": True}}
    _, out, err = evercert("show", "letsencrypt", *option)
    assert "sealed-next-key" not in out + err
    assert "not finished" in out and "deactivated" in out


def test_show_prints_the_kms_key(stack: Stack, evercert: Evercert) -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/1"
    del stack.account["sealed_key"]
    stack.account["kms_key"] = {"S": key}
    assert json.loads(evercert("show", "letsencrypt", "--json")[1])["account"]["kms_key"] == key

"""Changes of accounts by the issuer function: which method is called, and what is returned of an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.contracts.issuer import OpenIssuer
from evercert.errors import Misconfigured
from evercert.operations.accounts import change_account
from tests.doubles.fakes import Bench

SECRET = "s3cret"


@dataclass
class Account:
    """An account that notes its calls, or fails."""

    error: Exception | None = None
    calls: list[str] = field(default_factory=list)

    def _note(self, call: str) -> str:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return f"done: {call}"

    def rotate_key(self) -> str:
        return self._note("rotate_key")

    def deactivate(self) -> str:
        return self._note("deactivate")

    def register(self) -> str:
        return self._note("register")


def changed(change: str, issuer: Any) -> dict[str, Any]:
    def open_issuer(name: str) -> OpenIssuer:
        assert name == "main"
        return OpenIssuer(issuer, "hash")

    ports: Any = replace(Bench().ports, issuers=SimpleNamespace(open=open_issuer))  # type: ignore[arg-type]
    return change_account("main", change, ports)


@pytest.mark.parametrize(
    ("change", "call"), [("rotate-key", "rotate_key"), ("deactivate", "deactivate"), ("register", "register")]
)
def test_change_calls_the_account_once(change: str, call: str) -> None:
    account = Account()
    assert changed(change, SimpleNamespace(account=account)) == {"found": f"done: {call}", "problem": None}
    assert account.calls == [call]


def test_change_of_a_newer_command_line_is_refused() -> None:
    account = Account()
    answer = changed("sell", SimpleNamespace(account=account))
    assert (answer["found"], account.calls) == ("", [])
    assert answer["problem"].endswith("deploy the stack with the release of the command line")


def test_issuer_without_an_account_is_refused() -> None:
    answer = changed("rotate-key", SimpleNamespace())
    assert answer["problem"] == "issuer main has no account at a CA: only issuers of type acme have one"


def test_error_is_returned_as_one_line() -> None:
    answer = changed("rotate-key", SimpleNamespace(account=Account(Misconfigured("no keyChange"))))
    assert answer == {"found": "", "problem": "no keyChange"}


def test_bug_is_returned_without_its_text() -> None:
    answer = changed("rotate-key", SimpleNamespace(account=Account(ValueError(SECRET))))
    assert answer["problem"].startswith("a bug in evercert: ValueError at ")
    assert SECRET not in answer["problem"]

"""Test the solver for http-01: what it publishes, removes and refuses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.contracts.solver import Challenge, Presented
from evercert.errors import Misconfigured, Rejected, Unavailable
from evercert.solvers.context import RegisteredSolvers, SolverContext
from evercert.solvers.http_01 import HTTP01
from tests.doubles.acme import FakeAnswers
from tests.doubles.fakes import START, HandClock

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
NAME = "www.example.com"


@pytest.fixture
def answers() -> FakeAnswers:
    return FakeAnswers(HandClock())


@pytest.fixture
def solver(answers: FakeAnswers) -> HTTP01:
    return RegisteredSolvers(SolverContext(answers)).open("http-01", {})  # type: ignore[return-value]


def challenge(token: str = TOKEN, thumbprint: str = "thumb") -> Challenge:
    return Challenge(
        "web", NAME, False, token, f"{token}.{thumbprint}", "https://ca.example/acct/1", START + timedelta(hours=1)
    )


def test_present_publishes_the_answer_until_it_expires(solver: HTTP01, answers: FakeAnswers) -> None:
    for _ in range(2):
        assert solver.present(challenge()) == Presented()
    assert answers.answers == {TOKEN: f"{TOKEN}.thumb"}
    assert answers.expires == {TOKEN: START + timedelta(hours=1)}
    assert solver.look(challenge(), "") == Presented()


@pytest.mark.parametrize(
    "token", ["", "short", "../../etc/passwd0000000000000", "a" * 257, f"{TOKEN}?x=1", f"{TOKEN}\n", f"{TOKEN}="]
)
def test_invalid_token_is_never_stored(solver: HTTP01, answers: FakeAnswers, token: str) -> None:
    with pytest.raises(Unavailable, match=f"the CA sent an invalid token for {NAME}"):
        solver.present(challenge(token))
    solver.clean_up(challenge(token), "")
    assert answers.answers == {}


def test_clean_up_removes_its_own_answer_only(solver: HTTP01, answers: FakeAnswers) -> None:
    solver.present(challenge())
    solver.clean_up(challenge(thumbprint="another"), "")
    assert answers.answers == {TOKEN: f"{TOKEN}.thumb"}
    for _ in range(2):
        solver.clean_up(challenge(), "")
    assert answers.answers == {}


def test_invalid_token_deletes_nothing(solver: HTTP01, answers: FakeAnswers) -> None:
    answers.answers["short"] = "short.thumb"
    solver.clean_up(challenge("short"), "")
    assert answers.answers == {"short": "short.thumb"}


def test_wildcard_needs_another_solver(solver: HTTP01) -> None:
    solver.check(NAME)
    solver.check("192.0.2.1")
    with pytest.raises(Rejected, match=r"http-01 cannot prove control of the wildcard \*\.example\.com: choose a DNS"):
        solver.check("*.example.com")


def test_stack_without_a_responder_is_reported() -> None:
    solver = RegisteredSolvers(SolverContext()).open("http-01", {})
    for call in (
        lambda: solver.check(NAME),
        lambda: solver.present(challenge()),
        lambda: solver.clean_up(challenge(), ""),
    ):
        with pytest.raises(
            Misconfigured, match=f"cannot solve http-01 for {NAME}: the stack has no responder; deploy it"
        ):
            call()

"""Authorizations of an order at the CA: read, answered, their failures, and closed (RFC 8555 §7.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from evercert.acme.problem import Problem
from evercert.acme.resources import Authorization, Order
from evercert.errors import Misconfigured, Rejected, Unavailable
from evercert.http_client.retry import retry_after
from evercert.issuers.acme.challenges import STEP_TIME
from evercert.issuers.acme.errors import ProblemAnswer, explained
from evercert.issuers.acme.progress import PresentedChallenge, Progress, key_of

if TYPE_CHECKING:
    from evercert.deadline import Clock
    from evercert.http_client.response import Response
    from evercert.issuers.acme.account import Account
    from evercert.issuers.acme.challenges import Challenges

AT_ONCE = 10  # authorizations in one step
NOT_FOUND = 404


class Authorizations:
    """The authorizations of the orders of one account."""

    def __init__(self, account: Account, challenges: Challenges, clock: Clock) -> None:
        self._account = account
        self._challenges = challenges
        self._clock = clock

    def choose(self, order: Order, progress: Progress, ordered: Collection[str]) -> Progress | None:
        """Choose the challenges of the next authorizations; return the progress, or None if there are no more.

        Nothing is published yet: the choice is stored first, so that whatever is published can be removed. Raises
        Misconfigured for a name that was not ordered.
        """
        known = {*progress.presented, *progress.settled}
        missing = [url for url in order.authorizations if key_of(url) not in known][:AT_ONCE]
        if not missing:
            return None
        chosen: dict[str, PresentedChallenge] = {}
        settled: list[str] = []
        end = self._clock() + STEP_TIME
        for url in missing:
            if (chosen or settled) and self._clock() > end:
                break
            authorization = self._read(url)
            if authorization.full_name not in ordered:
                raise Misconfigured(
                    f"the CA asks to prove control of {authorization.full_name}, which was not ordered; ask the CA"
                )
            if authorization.status == "pending":
                chosen[key_of(url)] = self._challenges.choose(authorization)
            else:  # valid, or the CA has not set the order to invalid yet
                settled.append(key_of(url))
        return progress.with_presented(chosen, tuple(settled))

    def answer(self, progress: Progress) -> tuple[Progress, timedelta] | None:
        """Ask the CA to validate the next answers (§7.5.1); return None if there are no more.

        Otherwise return the progress, and how long the CA asks to wait.
        """
        waiting = [(key, entry) for key, entry in progress.presented.items() if not entry.answered][:AT_ONCE]
        if not waiting:
            return None
        answered: dict[str, PresentedChallenge] = {}
        wait, end = timedelta(0), self._clock() + STEP_TIME
        for key, entry in waiting:
            if answered and self._clock() > end:
                break
            with explained(f"validate {entry.name}"):
                try:
                    headers = self._account.post(entry.url, {}).headers
                    wait = max(wait, retry_after(headers.get("retry-after"), self._clock()) or wait)
                except ProblemAnswer as answer:
                    if answer.problem.kind != "malformed":  # answered by a run that died
                        raise
            answered[key] = replace(entry, answered=True)
        return replace(progress.with_presented(answered), polls=progress.polls), wait

    def recheck(self, order: Order, progress: Progress) -> tuple[Progress, dict[str, Problem | None]]:
        """Read the answered challenges of an order that stays pending; return those to answer again, and failed names.

        Some CAs leave order and authorization pending: after a failed validation, or until the client answers again
        (§8.2).
        """
        again: dict[str, PresentedChallenge] = {}
        failed: dict[str, Problem | None] = {}
        end = self._clock() + STEP_TIME
        for url in order.authorizations:
            entry = progress.presented.get(key_of(url))
            if entry is None or self._clock() > end or (authorization := self._find(url)) is None:
                continue
            challenge = next((one for one in authorization.challenges if one.url == entry.url), None)
            if challenge is not None and challenge.status == "invalid":
                failed[authorization.full_name] = challenge.error
            elif challenge is not None and challenge.status == "pending" and challenge.error is not None:
                again[key_of(url)] = replace(entry, answered=False)
        polls = progress.polls
        return (replace(progress.with_presented(again), polls=polls) if again else progress), failed

    def failures(self, order: Order) -> dict[str, Problem | None]:
        """Return the names that failed, with the CA's reasons, and deactivate open authorizations (§7.5.2).

        Other authorizations expired with the order: the CA no longer has them, or has them in another state.
        """
        failed: dict[str, Problem | None] = {}
        end = self._clock() + STEP_TIME
        for url in order.authorizations:
            if failed and self._clock() > end:
                break
            authorization = self._find(url)
            if authorization is None:
                continue
            if authorization.status == "pending":
                self._deactivate(url)
            elif authorization.status == "invalid":
                failed[authorization.full_name] = authorization.problem
        return failed

    def close(self, order: Order) -> None:
        """Deactivate the open authorizations of an order that is no longer needed; best effort, for a few seconds."""
        end = self._clock() + STEP_TIME
        for url in order.authorizations:
            if self._clock() > end:
                return
            with suppress(Rejected, Unavailable, Misconfigured):
                if self._read(url).status == "pending":
                    self._deactivate(url)

    def _read(self, url: str) -> Authorization:
        with explained("read an authorization"):
            return self._parsed(self._account.post(url, None))

    def _find(self, url: str) -> Authorization | None:
        """Return the authorization; None if the CA no longer has it."""
        with explained("read an authorization"):
            try:
                return self._parsed(self._account.post(url, None))
            except ProblemAnswer as answer:
                if answer.problem.status != NOT_FOUND:
                    raise
                return None

    @staticmethod
    def _parsed(answer: Response) -> Authorization:
        try:
            return Authorization.of(answer.json())
        except ValueError as error:
            raise Unavailable(f"{answer.operation} answered without a valid authorization: {error}") from None

    def _deactivate(self, url: str) -> None:
        with suppress(ProblemAnswer):
            self._account.post(url, {"status": "deactivated"})


def summary(failed: Mapping[str, Problem | None]) -> str:
    """Return one line with the failed names and the CA's reasons."""
    return "; ".join(_lines(failed))


def _lines(failed: Mapping[str, Problem | None]) -> Iterator[str]:
    for name, problem in failed.items():
        yield name if problem is None else f"{name}: {problem}"

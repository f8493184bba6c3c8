"""Fuzz the ACME server with changed requests of a client, and check every answer and every certificate."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.authority.acme_client import Answer
from tests.fuzz.server.drafts import VALID, WEIGHTS, Draft
from tests.fuzz.server.mutations import ANY, OF_READING, OF_RESOURCE
from tests.fuzz.server.party import TOO_MANY, Limited, Party
from tests.fuzz.server.promises import Answers, check_certificate
from tests.fuzz.server.wire import Wire, sent

ROUND = 500  # inputs with one account
MOST_ROUNDS = 5  # for each that would suffice without rate limits
UNCHANGED = 0.04  # of the inputs: they must succeed, or the others prove nothing
Send = Callable[[Wire], Answer]


@dataclass
class Figures:
    """Counts of inputs by resource and class of status, of problems by type, and of certificates."""

    outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    inputs: int = 0
    unchanged: int = 0
    finalized: int = 0  # by changed requests
    limited: int = 0

    def __str__(self) -> str:
        accepted = sum(count for (_, status), count in self.outcomes.items() if status == 2)
        return (
            f"{self.inputs} inputs: {accepted} accepted, {len(self.problems)} types of problems, {self.unchanged} unchanged,"
            f" {self.finalized} certificates for changed requests, {self.limited} rounds cut by a rate limit"
        )


class Campaign:
    """One account of one authority; `send` sends a request and returns the answer."""

    def __init__(self, party: Party, send: Send, chance: random.Random, figures: Figures, answers: Answers) -> None:
        self.party, self.send, self.chance = party, send, chance
        self.figures, self.answers = figures, answers

    def step(self) -> None:
        """Send one request and check the answer; raise Limited if the account can do no more."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of `cryptography`, about certificates that are still accepted
            self._step()

    def _step(self) -> None:
        chance, party = self.chance, self.party
        resource = chance.choices(list(VALID), [WEIGHTS.get(name, 1) for name in VALID])[0]
        draft = VALID[resource](party)
        unchanged = chance.random() < UNCHANGED
        wire = sent(draft, chance, changed=False) if unchanged else self._changed(draft)
        try:
            answer = self.send(wire)
            self.answers.check(party.authority.base, wire, answer)
            if unchanged and answer.status != TOO_MANY:
                assert answer.status < 300, f"a valid request was refused: {answer.status} {answer.text}"
            self._count(resource, answer, unchanged)
            self._follow(draft, answer, unchanged)
        except Exception as error:
            shown = str(error) if isinstance(error, AssertionError | Limited) else repr(error)
            kind = Limited if isinstance(error, Limited) else AssertionError
            raise kind(f"{resource}: {shown}; request {wire}") from error
        if unchanged and answer.status == TOO_MANY:
            raise Limited(answer.text)

    def _changed(self, draft: Draft) -> Wire:
        chance = self.chance
        own = OF_RESOURCE.get(draft.resource, ())
        changes = OF_READING if draft.key is None else own if own and chance.random() < 0.6 else ANY
        for _ in range(chance.choice((0, 1, 1, 1, 1, 2))):
            with suppress(TypeError, KeyError, AttributeError, ValueError):  # an earlier change left nothing to change
                chance.choice(changes)(draft, self.party, chance)
        return sent(draft, chance, changed=draft.key is not None and chance.random() < 0.25)

    def _count(self, resource: str, answer: Answer, unchanged: bool) -> None:
        self.figures.inputs += 1
        self.figures.unchanged += unchanged
        self.figures.outcomes[resource, answer.status // 100] += 1
        content_type = next((text for name, text in answer.headers.items() if name.lower() == "content-type"), "")
        if content_type == "application/problem+json" and answer.text:
            self.figures.problems[answer.problem] += 1

    def _follow(self, draft: Draft, answer: Answer, unchanged: bool) -> None:
        """Adopt what the request changed, and check the certificate that it obtained."""
        party = self.party
        if answer.status >= 300 or draft.method.upper() != "POST":  # a gateway may write it in capitals
            return
        match draft.resource:
            case "finalize" if draft.placed is not None and draft.placed in party.ready:
                if party.client.read(draft.placed.url).json["status"] == "ready":
                    return  # the changed URL was another resource
                party.ready.remove(draft.placed)
                check_certificate(party.download(draft.placed), party.ordered[draft.placed.url], draft.leaf_key)
                self.figures.finalized += not unchanged
            case "key-change" if draft.new_key is not None:
                before, party.client.key = party.client.key, draft.new_key
                if party.client.read(str(party.client.key_id)).status >= 300:
                    party.client.key = before
            case "account" if party.client.read(str(party.client.key_id)).status >= 300:
                party.sign_up()
            case "authorization" | "challenge":
                party.pending = party.place()
            case "revoke-cert":
                party.issued = party.issue()


def run(make: Callable[[random.Random], tuple[Any, Send, Callable[[], None]]], count: int, seed: object) -> Figures:
    """Send `count` requests; `make` returns a party, what sends, and a check after each input.

    Raise AssertionError with the seed and the round of the first broken promise. A rate limit ends a round early.
    """
    figures = Figures()
    for number in range(MOST_ROUNDS * (count // ROUND + 1)):
        chance = random.Random(f"{seed} {number}")
        try:
            party, send, check = make(chance)
            campaign = Campaign(party, send, chance, figures, Answers())
            for _ in range(min(ROUND, count - figures.inputs)):
                campaign.step()
                check()
        except Limited:
            figures.limited += 1
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, round {number}: {error}") from error
        if figures.inputs >= count:
            return figures
    raise AssertionError(f"seed {seed}: rate limits left only {figures}")

"""The schedule of a storm, determined by its seed: which processes are hit when, and what operators do between."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

KILL, FREEZE = "kill", "freeze"
FUNCTIONS = ("IssuerFunction", "CheckerFunction", "AuthorityFunction", "SignerFunction")
WEIGHTS = (10, 3, 2, 2)
FREEZE_SHARE = 0.12
FREEZE_SECONDS = (0.5, 25.0)  # the longest exceeds the functions' time limit
BUSY_SHARE = 0.8  # how often a process that is working is preferred
LONGEST_DELAY = 0.8  # seconds; about as long as a cold start and a run
COMMANDS = {
    "renew": 6, "edit": 4, "label": 2, "recreate": 2, "pause": 1, "renew-issuer": 1, "list": 2, "doctor": 1, "show": 1,
}  # fmt: skip
PAUSE_SECONDS = 6.0


@dataclass(frozen=True)
class Strike:
    """One signal: `dice` chooses among the processes that exist at that moment."""

    at: float
    kind: str
    function: str
    busy: bool
    dice: float
    delay: float = 0.0  # seconds between the choice and the signal, so that it is not always at the start of the work
    seconds: float = 0.0


@dataclass(frozen=True)
class Step:
    """One command of an operator about a certificate or an issuer."""

    at: float
    kind: str
    target: str


def strikes(seed: int, seconds: float, every: float) -> list[Strike]:
    """Return the strikes of a storm, on average one in `every` seconds."""
    dice = random.Random(f"strikes {seed}")
    found, at = [], 0.0
    while (at := at + dice.expovariate(1 / every)) < seconds:
        frozen = dice.random() < FREEZE_SHARE
        strike = Strike(
            at=at,
            kind=FREEZE if frozen else KILL,
            function=dice.choices(FUNCTIONS, WEIGHTS)[0],
            busy=dice.random() < BUSY_SHARE,
            dice=dice.random(),
            delay=dice.uniform(0, LONGEST_DELAY),
            seconds=dice.uniform(*FREEZE_SECONDS) if frozen else 0.0,
        )
        found.append(strike)
    return found


def steps(seed: int, seconds: float, every: float, names: Sequence[str], issuers: Sequence[str]) -> list[Step]:
    """Return the operators' commands; every pause is followed by its end."""
    dice = random.Random(f"steps {seed}")
    found, at = [], 0.0
    while (at := at + dice.expovariate(1 / every)) < seconds:
        kind = dice.choices(list(COMMANDS), list(COMMANDS.values()))[0]
        target = dice.choice(issuers if kind in {"pause", "renew-issuer"} else names)
        found.append(Step(at, kind, target))
        if kind == "pause":
            found.append(Step(at + PAUSE_SECONDS, "resume", target))
    return sorted(found, key=lambda step: step.at)

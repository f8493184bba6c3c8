"""Steps of a schedule: plain values drawn from a seed, valid in any state of the world."""

from __future__ import annotations

import random
from collections.abc import Callable

from evercert.contracts.queue import Nudge
from tests.random import manual_edits
from tests.random import operator_steps as operators
from tests.random.issuers import ISSUERS, LISTS
from tests.random.operator_steps import Step, document, spec_of
from tests.random.processes import Killed, NoAnswer, Strike
from tests.random.universe import NAMES, Message, Universe

SCRIPT = ("pending", "reject", "unavailable", "misconfigured", "hang", "wrong-key", "wrong-name", "expired", "garbage")
SPANS = (5, 60, 95, 400, 3_600, 6 * 3_600, 86_400, 3 * 86_400, 30 * 86_400, 100 * 86_400, -2, -60, -600, -7_200)
SERVICES = ("secretsmanager", "acm", "ca", "kms")
HOW = ("denied", "throttled", "invalid", "hangs", "swallows")


def _edit(rng: random.Random) -> Step:
    changes = (
        ("names", rng.randrange(4)), ("label", rng.choice("abc")), ("interval", rng.choice(["1d", "5d"])),
        ("renew", rng.choice(["20%", "50%", "90%", "10d"])), ("ttl", rng.choice(["90d", "30d"])),
        ("places", rng.randrange(1, 8)), ("places", rng.randrange(1, 8)), ("issuer", rng.choice([*ISSUERS, *LISTS])),
        ("rotate", rng.choice(["never", "always"])), ("algorithm", rng.choice(["EC_prime256v1", "EC_secp384r1"])),
        ("acm", rng.choice([None, "fixed"])),
    )  # fmt: skip
    return ("edit", rng.choice(NAMES), *rng.choice(changes))


def _break(rng: random.Random) -> Step:
    """A CA that has issued for a token does not refuse the token afterwards: "invalid" is for the others."""
    service = rng.choice(SERVICES)
    return ("break", service, rng.choice([how for how in HOW if (service, how) != ("ca", "invalid")]))


# Steps that can also happen at a call of another process.
_ASIDE: tuple[tuple[int, Callable[[random.Random], Step]], ...] = (
    (6, _edit),
    (2, lambda rng: ("delete", rng.choice(NAMES))),
    (3, lambda rng: ("create", rng.choice(NAMES))),
    (2, lambda rng: ("remake", rng.choice(NAMES))),
    (4, lambda rng: ("request", rng.choice(NAMES))),
    (1, lambda _: ("request-all",)),
    (1, lambda rng: ("pause", rng.choice([None, *ISSUERS]))),
    (3, lambda _: ("resume",)),
    (2, lambda rng: ("issuer-edit", rng.choice(ISSUERS))),
    (5, lambda rng: ("clock", rng.choice(SPANS))),
    (5, lambda rng: ("run", rng.choice(NAMES))),
    (3, lambda _: ("tick",)),
    (3, lambda rng: ("message", rng.randrange(8))),
    (4, _break),
    (4, lambda _: ("repair",)),
    (2, lambda rng: ("trouble", rng.choice(["queue", "sns", "issuers"]), rng.choice(["unavailable", "misconfigured"]))),
    (3, lambda rng: ("script", *rng.choices(SCRIPT, k=rng.randrange(1, 4)))),
    (2, lambda rng: ("script", *["pending"] * rng.randrange(1, 4))),
    (1, lambda rng: ("revoke", rng.choice(NAMES))),
    (4, lambda rng: ("hand", rng.choice(NAMES), rng.choice(manual_edits.DEEDS))),
)


def _aside(rng: random.Random) -> Step:
    return rng.choices([draw for _, draw in _ASIDE], [weight for weight, _ in _ASIDE])[0](rng)


def _struck(rng: random.Random) -> Step:
    stall, rival = ("stall", rng.choice([20, 95, 700])), ("rival",)
    act = rng.choice([("kill",), ("kill",), ("lost",), stall, rival, "aside", "aside"])
    run, message = ("run", rng.choice(NAMES)), ("message", rng.randrange(4))
    victim = rng.choice([("due",), ("due",), ("due",), run, message, ("tick",)])
    at = rng.randrange(1, 22) if victim[0] != "tick" else rng.randrange(1, 6)
    return ("struck", victim, at, rng.choice(["before", "after"]), _aside(rng) if act == "aside" else act)


def draw(rng: random.Random) -> Step:
    """Draw one step: mostly ticks and messages, sometimes a fault."""
    kind = rng.random()
    if kind < 0.3:
        return ("work",) if kind > 0.05 else ("renewal",)
    if kind < 0.36:
        return rng.choice([("duplicate", rng.randrange(8)), ("lose", rng.randrange(8)), ("messages",)])
    return _struck(rng) if kind < 0.6 else _aside(rng)


def perform(world: Universe, step: Step) -> None:
    """Do one step; a step without meaning in this state does nothing."""
    match step:
        case ("work" | "renewal",):
            renewals = [record.renew_at for record in world.records() if record.renew_at is not None]
            soon = min(renewals, default=None) if step == ("renewal",) else world.next_due()
            world.clock.now = max(world.clock.now, soon or world.clock.now)
            world.tick()
            world.deliver_arrived()
        case ("tick",):
            world.tick()
        case ("messages",):
            world.deliver_arrived()
        case ("run", name):
            world.issue(Nudge(name))
        case ("clock", seconds):
            world.before_set = max(world.before_set, world.clock())
            world.clock.advance(seconds=seconds)
            world.went_back |= seconds < 0
        case ("message" | "duplicate" | "lose" as verb, number):
            if world.messages:
                _message(world, verb, world.messages[number % len(world.messages)])
        case ("struck", victim, at, when, act):
            _strike(world, victim, Strike(at, when, lambda: _act(world, act)))
        case ("hand", name, deed):
            manual_edits.perform(world, name, deed)
        case _:
            operators.perform(world, step)


def _message(world: Universe, verb: str, message: Message) -> None:
    if verb == "message":
        world.deliver(message)
    elif verb == "lose":
        world.messages.remove(message)
    else:
        world.messages.append(Message(message.nudge, message.arrives))


def _strike(world: Universe, victim: Step, strike: Strike) -> None:
    match victim:
        case ("run", name):
            world.issue(Nudge(name), strike)
        case ("due",) if world.records():
            first = min(world.records(), key=lambda record: record.due_at or world.clock())
            world.clock.now = max(world.clock(), first.due_at or world.clock())
            world.issue(Nudge(first.name), strike)
        case ("tick",):
            world.tick(strike)
        case ("message", number) if world.messages:
            world.deliver(world.messages[number % len(world.messages)], strike)


def _act(world: Universe, act: Step) -> None:
    world.hits[act[0]] += 1
    match act:
        case ("kill",):
            raise Killed
        case ("lost",):
            world.struck += 1
            raise NoAnswer
        case ("stall", seconds):
            world.struck += 1
            world.touched |= set(NAMES)  # a call that was frozen past its claim can land after the next run's
            world.clock.advance(seconds=seconds)
        case ("rival",):
            for name in NAMES:
                world.issue(Nudge(name))
        case _:
            if act[0] == "clock":
                world.struck += 1
                world.touched |= set(NAMES)
            perform(world, act)


def begin(seed: int) -> Universe:
    """Build a world with two newly applied certificates."""
    world = Universe(seed)
    rng = random.Random(f"documents of {seed}")
    world.documents = {name: document(name, rng) for name in NAMES}
    for name in NAMES:
        world.create(spec_of(world.documents[name]))
    return world


def schedule(seed: int, length: int) -> list[Step]:
    """Return the steps of one seed."""
    rng = random.Random(seed)
    return [draw(rng) for _ in range(length)]

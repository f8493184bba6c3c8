"""Steps of operators and outages of services."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from evercert.documents.spec import Spec
from evercert.errors import Misconfigured, Unavailable
from tests.random.universe import NAMES, Universe

Step = tuple[Any, ...]

HEALING = timedelta(days=7)  # a refusal is retried after a day; the status check follows five days later


def document(name: str, rng: random.Random) -> dict[str, Any]:
    """Return the first spec; edits change its keys."""
    issuer = "self" if name == "api" else "ca"
    return {"name": name, "issuer": issuer, "names": 0, "ttl": "90d", "places": rng.choice([1, 1, 3, 4, 5, 7])}


def spec_of(asked: dict[str, Any]) -> Spec:
    """Give the destination another name where ACM would not take the new certificate."""
    algorithm = asked.get("algorithm", "EC_prime256v1")
    issuers = [asked["issuer"]] if isinstance(asked["issuer"], str) else list(asked["issuer"])
    acm = asked.get("acm") or f"{' '.join(issuers)} {algorithm}"
    places = [
        {"type": "secrets-manager"},
        {"type": "secrets-manager", "secret": f"evercert/certificates/{asked['name']}-copy"},
        {"type": "acm", "name": acm},
    ]
    names = [f"n{number}.example.com" for number in range(asked["names"])]
    lifecycle = {"status-check-interval": asked.get("interval", "5d")}
    if "renew" in asked:
        lifecycle["renew-before-expiry"] = asked["renew"]
    return Spec.model_validate(
        {
            "name": asked["name"],
            "issuers": issuers,
            "attributes": {"common-name": "www.example.com", "alt-names": names, "ttl": asked["ttl"]},
            "private-key": {"algorithm": algorithm, "rotate": asked.get("rotate", "always")},
            "lifecycle": lifecycle,
            "destinations": [place for bit, place in enumerate(places) if asked["places"] >> bit & 1],
            "labels": {"team": asked["label"]} if "label" in asked else {},
        }
    )


def perform(world: Universe, step: Step) -> None:
    """Do one step of an operator."""
    match step:
        case ("edit", name, key, value):
            world.documents[name] = {**world.documents[name], key: value}
            world.edit(spec_of(world.documents[name]))
        case ("delete", name):
            world.delete(name)
        case ("create" | "remake", name):
            if step[0] == "remake":
                world.delete(name)
            if world.record(name) is None:
                world.create(spec_of(world.documents[name]))
        case ("request", name):
            world.request(name)
        case ("request-all",):
            for name in NAMES:
                world.request(name)
        case _:
            _around(world, step)


def _around(world: Universe, step: Step) -> None:
    """Do a step that concerns no single certificate."""
    match step:
        case ("pause", issuer):
            world.definitions.paused.add(issuer)
        case ("resume",):
            world.definitions.paused.clear()
        case ("issuer-edit", issuer):
            world.definitions.editions[issuer] += 1
            world.wake_all()
        case ("break", service, how):
            world.board.faults[service] = how
        case ("repair",):
            repair_services(world)
        case ("trouble", where, kind):
            error = Unavailable("no answer") if kind == "unavailable" else Misconfigured("no permission")
            if where == "issuers":
                world.definitions.trouble = kind
            else:
                (world.queue if where == "queue" else world.announcer).error = error
        case ("script", *script):
            world.definitions.ca.script += script
        case ("revoke", name):
            record = world.record(name)
            if record is not None and record.facts is not None:
                world.disturb(name)
                world.definitions.ca.revoked.append(record.facts.serial_number)


def repair_services(world: Universe) -> None:
    """Make every service work again."""
    world.board.faults.clear()
    world.definitions.trouble = world.queue.error = world.announcer.error = None

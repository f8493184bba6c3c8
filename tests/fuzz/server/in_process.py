"""The authority function's entry point with doubles of AWS, as the server of a campaign."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from tests.doubles.authority.acme_client import AcmeAuthority, Answer
from tests.doubles.authority.server import CONTEXT, event_of
from tests.fuzz.quiet import quiet
from tests.fuzz.server.campaign import Figures, Send, run
from tests.fuzz.server.party import Party
from tests.fuzz.server.promises import names_in
from tests.fuzz.server.wire import Wire

PATHS = ("cert-manager/acme/profiles", "pki/acme/profiles", "cert-manager/acme/applications/{}/profiles")


def make(chance: random.Random) -> tuple[Party, Send, Callable[[], None]]:
    """Return a client of a new authority: with or without binding, under one of the paths of a directory."""
    needs_binding = chance.random() < 0.7
    authority = AcmeAuthority(eab="required" if needs_binding else "optional")
    application = authority.setting.application("shop", authority.profile.project, authority.profile.slug)
    path = chance.choice(PATHS).format(application.id)
    authority.base = f"{authority.setting.address}/api/v1/{path}/{authority.profile.id}"
    mac = None
    if needs_binding:
        credential, mac_key = authority.credential()
        mac = credential.id, mac_key
    party = Party(authority, mac)

    def send(wire: Wire) -> Answer:
        event = event_of(wire.method, wire.url, wire.headers, wire.body, encoded=wire.encoded) | wire.event
        authority.setting.clock.advance(seconds=1)
        with quiet(authority.module.logger, logging.ERROR):  # the reason of a 5xx; other lines would be thousands
            found = authority.module.handler(event, CONTEXT)
        return Answer(found["statusCode"], found["headers"], found["body"])

    checked: set[str] = set()

    def check() -> None:
        """Check that each certificate in the store has the names of an order, and that its names were proven."""
        stored = authority.setting.certificates.certificates
        for certificate_id in stored.keys() - checked:
            names = names_in(stored[certificate_id].signed)
            assert names in party.ordered.values(), f"a certificate without order: {sorted(names)}"
            proven = {
                *(f"dns:{name.removeprefix('_acme-challenge.')}" for name in authority.network.records),
                *(f"{kind}:{url.split('/')[2]}" for url in authority.network.pages for kind in ("dns", "ip")),
            }
            assert {name.replace("*.", "") for name in names} <= proven, f"a name without validation: {sorted(names)}"
            checked.add(certificate_id)

    return party, send, check


def fuzz(count: int, seed: object) -> Figures:
    return run(make, count, seed)

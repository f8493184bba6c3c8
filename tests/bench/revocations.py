"""A burst of revocations beside a long list: the lists that are built, and the entries that they have.

All calls share this process and the emulator, where Lambda runs each in a process of its own: only the counts and the
ratio of two times mean something.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from cryptography import x509

from evercert.authority.ca.definition import CA
from evercert.authority.ca.signing_orders import CrlOrder
from evercert.authority.configuration.identity import Identity
from evercert.authority.infisical_api.services import Services
from evercert.aws.authority.certificate_items import attributes, key
from tests.bench.figures import Figure, Part, table
from tests.bench.logs import silence
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.client import Client
from tests.doubles.authority.server import entry_point
from tests.doubles.authority.stored import stored_certificates
from tests.doubles.world import World

BURST, ALONE = 20, 5
LISTED = 1_942
MOST_LISTS = 4  # one that the first call builds, one for those that revoked meanwhile, and two for unlucky times
BATCH = 25  # items of one call
KEY = {"keyAlgorithm": "EC_prime256v1"}


def measure(world: World) -> Part:
    client = Client(clock=lambda: datetime.now(UTC))
    setting, identity, ca = client.setting, client.identity, client.setting.cas["EC-issuing"]
    name = world.authority_table("AuthorityTable")
    store = stored_certificates(world, name)
    setting.front = Services(setting.ports(certificates=store))
    client.module = entry_point(setting.front)
    silence()
    _fill(world, name, ca)
    ids = [client.issued(KEY)["certificateId"] for _ in range(ALONE + BURST)]
    alone = [_seconds(setting, identity, one) for one in ids[:ALONE]]
    before = _lists(setting)
    ready = threading.Barrier(BURST)

    def revoke(certificate: str) -> float:
        ready.wait(60)
        return _seconds(setting, identity, certificate)

    with ThreadPoolExecutor(BURST) as threads:
        burst = list(threads.map(revoke, ids[ALONE:]))
    listed, built = len(x509.load_der_x509_crl(store.published(ca.id) or b"")), _lists(setting) - before
    expected = LISTED + ALONE + BURST
    return Part(
        [
            Figure(
                f"{BURST} revocations at once beside {LISTED + ALONE:,} entries: entries of the list afterwards",
                f"{listed:,}", f"{expected:,}", listed == expected,
            ),
            Figure("lists built for them", f"{built}", f"≤ {MOST_LISTS}, not {BURST}", built <= MOST_LISTS),
            Figure(
                "the slowest of them ÷ one revocation alone, beside the same list", f"{max(burst) / median(alone):.1f}"
            ),
        ],
        table(
            ("", "least", "median", "most"), [_row("one revocation alone", alone), _row(f"{BURST} at once", burst)]
        ),
    )  # fmt: skip


def _fill(world: World, name: str, ca: CA) -> None:
    """Write the attributes that the index of revoked certificates reads."""
    now = datetime.now(UTC)
    values = {"revoked_by": ca.id, "not_after": now + timedelta(days=30), "revoked_at": now, "reason": "SUPERSEDED"}
    written: list[Any] = [
        {"PutRequest": {"Item": {
            **key("certificate", f"older-{number}"), **attributes({**values, "serial_number": f"{1 << 158 | number:040x}"})
        }}}
        for number in range(LISTED)
    ]  # fmt: skip
    for start in range(0, LISTED, BATCH):
        world.operator.dynamodb.batch_write_item(RequestItems={name: written[start : start + BATCH]})


def _seconds(setting: Setting, identity: Identity, certificate: str) -> float:
    began = time.monotonic()
    answer = setting.front.revocation.revoke(identity, certificate, {"revocationReason": "SUPERSEDED"})
    if not answer["crlPublished"]:
        raise RuntimeError(f"certificate {certificate} is revoked, but not listed")
    return time.monotonic() - began


def _lists(setting: Setting) -> int:
    return sum(isinstance(order, CrlOrder) for order in setting.signer.orders)


def _row(what: str, seconds: Sequence[float]) -> tuple[str, ...]:
    return what, *(f"{value:.2f} s" for value in (min(seconds), median(seconds), max(seconds)))

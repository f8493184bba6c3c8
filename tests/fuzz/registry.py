"""All readers of the fuzzing; a reader that is added later joins a module of `tests/fuzz/readers`.

`test_registry.py` fails if a parser of the package is in none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.fuzz.reader import Reader
from tests.fuzz.readers import (
    acme,
    acme_issuer,
    acme_orders,
    acme_server,
    answers,
    api,
    authority_items,
    aws,
    certificates,
    command,
    documents,
    host,
    items,
    logins,
    management,
    probes,
    requests,
    texts,
    token_logins,
)

OF_PKI = [*certificates.READERS, *requests.READERS]  # they get a third of all inputs
READERS: list[Reader] = [
    *OF_PKI,
    *documents.READERS,
    *texts.READERS,
    *items.READERS,
    *authority_items.READERS,
    *answers.READERS,
    *logins.READERS,
    *token_logins.READERS,
    *host.READERS,
    *probes.READERS,
    *api.READERS,
    *command.READERS,
    *management.READERS,
    *aws.READERS,
    *acme.READERS,
    *acme_issuer.READERS,
    *acme_server.READERS,
    *acme_orders.READERS,
]


def shares(total: int, chosen: Sequence[Reader] = READERS) -> Iterator[tuple[Reader, int]]:
    """Yield each reader with its number of inputs: the less, the more one costs."""
    of_pki = [reader for reader in chosen if reader in OF_PKI]
    others = [reader for reader in chosen if reader not in OF_PKI]
    third = total // 3 if others else total
    for group, count in ((of_pki, third), (others, total - third if of_pki else total)):
        parts = sum(1 / reader.cost for reader in group)
        for reader in group:
            yield reader, max(1, round(count / reader.cost / parts))

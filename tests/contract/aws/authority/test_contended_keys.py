"""A key that many transactions check at the same time: its revocation does not give up early."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evercert.authority.contracts.issuance_trail import OPERATOR
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.dynamodb.retries import ATTEMPTS
from tests.doubles.authority.stored import stored_certificates
from tests.doubles.fakes import START
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World
from tests.samples.authority import kept, requested

LATER = START + timedelta(hours=1)


class Contended:
    """A client whose first `times` writes of a compromised key conflict with transactions that check the key."""

    def __init__(self, inner: Any, times: int) -> None:
        self._inner = inner
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def transact_write_items(self, *, TransactItems: Any) -> Any:
        keys = [next(iter(one.values())) for one in TransactItems]
        met = [str(one.get("Item", one.get("Key"))["pk"]["S"]).startswith("compromised#") for one in keys]
        if not any(met) or self.left == 0:
            return self._inner.transact_write_items(TransactItems=TransactItems)
        self.left -= 1
        error = refuse("TransactionCanceledException", "TransactWriteItems")
        error.response["CancellationReasons"] = [{"Code": "TransactionConflict" if one else "None"} for one in met]  # type: ignore[typeddict-unknown-key]
        raise error


def test_contended_key_is_revoked(world: World) -> None:
    certificates = stored_certificates(world)
    request = certificates.open(requested(), None)
    found = certificates.finish(request, kept(request))
    client = Contended(certificates._client, times=ATTEMPTS + 2)
    contended = DynamoDBCertificates(client, certificates._table, certificates._trail)  # type: ignore[arg-type]
    revoked = contended.revoke(found.id, LATER, "KEY_COMPROMISE", OPERATOR)
    assert (client.left, revoked is not None and revoked.revoked_at) == (0, LATER)

"""DynamoDB: orders of the ACME server."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.authority.acme.records import Order
from evercert.aws.authority.acme_items import AcmeItems, place_of, seconds
from evercert.aws.authority.transactions import refused
from evercert.aws.clients import translated
from evercert.aws.dynamodb.updates import Update
from evercert.errors import Unavailable

KEPT = timedelta(days=90)  # orders after they expire, and renewal ids after their certificates
PAGE = 50  # orders of one page of a list
ROUNDS = 5


class DynamoDBAcmeOrders(AcmeItems):
    """Orders with their authorizations in one item each; lists of an account and renewal ids in items beside them."""

    def create(self, order: Order) -> bool:
        """Store the order, its place in the account's list, and its hold on the certificate that it replaces."""
        ends = seconds(order.expires_at + KEPT)
        values = {"document": order.model_dump_json(), "version": order.version, "expires_at": ends}
        place = self.listed(f"acme-orders#{order.account}", place_of(order.created_at, order.id), {"expires_at": ends})
        writes = [self.new("acme-order", order.id, values), place]
        if order.replaces is None:
            if refused(self._client, writes, "place an ACME order"):
                raise Unavailable("cannot place an ACME order: try again")
            return True
        for _ in range(ROUNDS):
            held = self._held(order.replaces)
            holder = self.of_id(held) if held is not None else None  # None: it was deleted long after it expired
            if holder is not None and holder.id == order.id:
                return True
            if holder is not None and holder.status_at(order.created_at) != "invalid":
                return False
            hold = Update({"order": order.id, "expires_at": ends})
            hold.require_same("order", held)
            taken = self.updated("acme-replaced", order.replaces, hold)
            if not refused(self._client, [*writes, taken], "place an ACME order"):
                return True
        raise Unavailable("cannot place an ACME order: it conflicts with another one")

    def of_id(self, order_id: str) -> Order | None:
        """Return the order with one consistent read."""
        return self.document(Order, "acme-order", order_id)

    def replace(self, changed: Order, waits_until: datetime | None = None) -> bool:
        """Replace the version before; an order that waits for long is deleted later."""
        late = waits_until is not None and waits_until > changed.expires_at
        more = {"expires_at": seconds(waits_until + KEPT)} if late and waits_until is not None else {}
        return self.replaced("acme-order", changed, "change an ACME order", more)

    def finish(self, changed: Order, renewal_id: str | None, until: datetime) -> bool:
        """Replace the version before, and store which certificate the id names, in one transaction."""
        writes = [self.changed("acme-order", changed)]
        if renewal_id is not None and changed.certificate is not None:
            named = Update({"certificate": changed.certificate, "expires_at": seconds(until + KEPT)})
            named.require(
                "attribute_not_exists(pk) OR #certificate = :own", {":own": changed.certificate}, "certificate"
            )
            writes.append(self.updated("acme-certificate", renewal_id, named))
        return not refused(self._client, writes, "finish an ACME order")

    def of_account(self, account_id: str, after: str | None) -> tuple[list[str], str | None]:
        """Return one page of the account's list."""
        values = {":account": {"S": f"acme-orders#{account_id}"}}
        condition = "pk = :account"
        if after is not None:
            condition, values = f"{condition} AND sk < :after", {**values, ":after": {"S": after}}
        with translated("list the orders of an ACME account"):
            page = self._client.query(
                TableName=self._table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                Limit=PAGE,
            )
        places = [item["sk"]["S"] for item in page["Items"]]
        following = places[-1] if places and page.get("LastEvaluatedKey") else None
        return [place.partition("#")[2] for place in places], following

    def certificate_of(self, renewal_id: str) -> str | None:
        """Return the id with one consistent read."""
        found = self.get("acme-certificate", renewal_id).get("certificate")
        return found if isinstance(found, str) else None

    def replacement_of(self, renewal_id: str) -> Order | None:
        """Return the order with two consistent reads."""
        held = self._held(renewal_id)
        return self.of_id(held) if held is not None else None

    def _held(self, renewal_id: str) -> str | None:
        found = self.get("acme-replaced", renewal_id).get("order")
        return found if isinstance(found, str) else None

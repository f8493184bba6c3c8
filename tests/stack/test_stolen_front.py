"""Who holds the role of the API function, on the deployed stack: forged orders and requests, and orders to the signer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.signing_orders import LeafOrder
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.signer.wire_format import decode_answer, encode_leaf
from evercert.aws.authority.acme_orders import DynamoDBAcmeOrders
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.pki.identifiers import parse
from tests.doubles.authority.acme_client import AcmeClient
from tests.fuzz.server.party import Party, Placed
from tests.fuzz.server.promises import names_in
from tests.stack.conftest import Stack
from tests.tools.deployed_acme import deployed_acme, operator

pytestmark = [pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Thief:
    """The stores as the stolen role opens them, and a client with a valid order and its genuine request."""

    stack: Stack
    client: AcmeClient
    order: Placed
    role: Callable[[str], Any]
    orders: DynamoDBAcmeOrders
    certificates: DynamoDBCertificates
    genuine: RequestRecord

    def request(self, **changes: Any) -> RequestRecord:
        """Return a new pending request with the contents of the genuine one and changes of its leaf."""
        ids = {"id": str(uuid.uuid4()), "certificate_id": str(uuid.uuid4())}
        leaf = self.genuine.leaf.model_copy(update=changes)
        return replace(self.genuine, **ids, status="pending", updated_at=datetime.now(UTC), leaf=leaf)

    def store(self, request: RequestRecord) -> None:
        """Have the order wait for this request."""
        order = self.orders.of_id(id_of(self.order))
        assert order is not None
        self.certificates.open(request, None)
        changed = order.next(closed="processing", request=request.id, certificate=None, error=None)
        assert self.orders.replace(changed)

    def sign(self, request: RequestRecord) -> bytes:
        """Invoke the signer; raise Refusal."""
        order = LeafOrder(request.id, request.ca, request.profile, request.leaf, request.csr)
        payload = json.dumps(encode_leaf(order)).encode()
        answer = self.role("lambda").invoke(FunctionName=self.stack.outputs["SignerFunction"], Payload=payload)
        return decode_answer(json.loads(answer["Payload"].read()))

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """Return the items of the ledger, which only the signer writes, by order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for item in self.stack.items(table=self.stack.outputs["AuthorityLedger"]):
            found.setdefault(item["pk"]["S"], []).append(item)
        return found


def id_of(order: Placed) -> str:
    return order.url.rpartition("/")[2]


@pytest.fixture(scope="module")
def thief(stack: Stack) -> Iterator[Thief]:
    credentials = stack.role(stack.resource("AuthorityRole"))
    with deployed_acme(stack.running, stack.outputs, operator(stack)) as (authority, mac):
        party = Party(authority, mac, addresses=False)

        def role(service: str) -> Any:
            return stack.client(service, **credentials)

        table = stack.resource("AuthorityTable")
        orders, certificates = (
            DynamoDBAcmeOrders(role("dynamodb"), table),
            DynamoDBCertificates(role("dynamodb"), table, stack.outputs["AuthorityAudit"]),
        )
        order = orders.of_id(id_of(party.issued.order))
        assert order is not None and order.request is not None
        genuine = certificates.request(order.request)
        assert genuine is not None
        yield Thief(stack, party.client, party.issued.order, role, orders, certificates, genuine)


def leaves(now: datetime) -> dict[str, Mapping[str, Any]]:
    return {
        "name": {"names": (parse("dns:evil.net"),)},
        "address": {"names": (parse("ip:10.0.0.1"),)},
        "common-name": {"subject": {"common_name": ("evil.net",)}},
        "ten-years": {"not_after": now + timedelta(days=3_650)},
        "clients": {"extended_key_usages": ("server_auth", "time_stamping")},
        "code": {"extended_key_usages": ("code_signing",)},
        "any-purpose": {"extended_key_usages": ()},
    }


LEAVES = list(leaves(datetime.now(UTC)))


@pytest.mark.parametrize("forged", LEAVES)
def test_forged_request_of_an_order_is_not_signed(thief: Thief, forged: str) -> None:
    """The thief stores a request, has the order wait for it, and polls the order as its client."""
    before = thief.ledger()
    thief.store(thief.request(**leaves(datetime.now(UTC))[forged]))
    order = thief.client.read(thief.order.url).json
    assert order["status"] == "invalid", order
    assert "cannot sign" in order["error"]["detail"]
    assert thief.ledger() == before


@pytest.mark.parametrize("forged", LEAVES)
def test_signer_refuses_what_the_stolen_role_orders(thief: Thief, forged: str) -> None:
    before = thief.ledger()
    with pytest.raises(Refusal, match="cannot sign"):
        thief.sign(thief.request(**leaves(datetime.now(UTC))[forged]))
    assert thief.ledger() == before


def test_unproven_name_is_signed_and_found_by_the_audit(thief: Thief) -> None:
    """A stolen role is bounded by the ceiling, not by challenges; the requests before are refused for what they ask."""
    name = parse("dns:unproven.example.com")
    request = thief.request(names=(name,), subject={})
    certificate = x509.load_der_x509_certificate(thief.sign(request))
    assert names_in(certificate) == {str(name)}
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=90, minutes=5)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    done = thief.stack.evercert("authority", "audit", "--json")
    assert done.returncode == 1
    assert request.id in {one["order"] for one in json.loads(done.stdout)["unknown"]}
    table = thief.stack.outputs["AuthorityLedger"]
    for item in thief.ledger()[f"order#{request.id}"]:  # other tests expect that the audit finds nothing
        thief.stack.client("dynamodb").delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})

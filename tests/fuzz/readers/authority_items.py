"""Readers of the authority's tables, of the format between its functions, and of the answers of KMS and STS."""

from __future__ import annotations

import io
import json
import uuid
from contextlib import suppress
from datetime import timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.ca.definition import Installed
from evercert.authority.ca.kms_key import public_key_of
from evercert.authority.ca.signing_orders import CrlOrder, Intent, LeafOrder, Revoked
from evercert.authority.configuration.identity import UniversalLogin
from evercert.authority.contracts.approval_terms import Decision
from evercert.authority.contracts.inventory import SERIAL_NUMBER, Criteria, plain_hexadecimal, with_name
from evercert.authority.contracts.issuance_trail import OPERATOR, IssuanceEntry
from evercert.authority.contracts.records import Token
from evercert.authority.infisical_api import response_bodies
from evercert.authority.infisical_api.public_downloads import PublicDownloads
from evercert.authority.logins.lockout import Lockout
from evercert.authority.registration.crl_publisher import CrlPublisher
from evercert.authority.registration.public_copies import PublicCopies
from evercert.authority.requests import certificate_files
from evercert.authority.signer.wire_format import decode, encode_answer, encode_crl, encode_leaf
from evercert.aws.authority import (
    access_tokens,
    certificate_items,
    inventory_items,
    issuance_trail,
    signing_ledger,
    sts,
)
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.inventory_ranges import choose_range, to_cursor
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.signer_client import SignerFunction
from evercert.aws.authority.signing_ledger_reader import LedgerReading
from evercert.aws.dynamodb.attribute_values import written
from evercert.pki.certificate import to_pem
from evercert.pki.keys import public_bytes
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.public_store import FakePublicStore
from tests.doubles.fakes import START
from tests.fuzz.changes import changed_tree, mutated_text
from tests.fuzz.reader import Reader
from tests.fuzz.readers.certificates import KEY, chain, der_of, pem_of
from tests.fuzz.readers.items import TYPED, Item, Table, changed
from tests.samples import authority, foreign, requests


# -- state table ------------------------------------------------------------------------------------------------------
def rows() -> list[Item]:
    """Return the items of a request and of its revoked certificate."""
    request = authority.requested()
    revoked = {"revoked_at": START, "reason": "SUPERSEDED", "renewed_by": str(uuid.uuid4()), "renewal": request.id}
    links = certificate_items.attributes({"request": request.id, "certificate": request.certificate_id})
    return [
        certificate_items.request_item(request) | links,
        certificate_items.certificate_item(authority.kept(request)) | links | certificate_items.attributes(revoked),
    ]


def read_row(item: Item) -> None:
    """Read the item as each kind of row."""
    store = DynamoDBCertificates(Table(item), "table", "trail")
    if "created_at" in item:  # DynamoDB guarantees the keys of the index
        store.requests_of("profile", 10)
        store.imported_of("profile", 10)
    with suppress(*TYPED):
        store.requests_by_id([item["pk"]["S"].removeprefix("request#")])
    with suppress(*TYPED):
        list(store.revoked("ca", START))
    for read in (store.certificate, store.request, store.request_of, store.renewal_of):
        with suppress(*TYPED):
            read("a" * 64)


def inventory() -> list[Item]:
    """Return the entries of a certificate."""
    return inventory_items.entries(authority.kept(authority.requested()))


def read_entry(item: Item) -> None:
    """Read an entry of the inventory, and the certificate that it names."""
    store = DynamoDBCertificates(Table(item), "table", "trail")
    for criteria in (Criteria(START), Criteria(START, zone="example.com"), Criteria(START, fragment="www")):
        with suppress(*TYPED):
            store.search(criteria, 10)


def cursors() -> list[str]:
    return [to_cursor("2026-04-15T12:00:00.000Z#x", Criteria(START)), "W10", "bnVsbA"]


def read_cursor(text: str) -> None:
    """Continue a search after the cursor."""
    DynamoDBCertificates(Table({}), "table", "trail").search(Criteria(START), 10, text)


def read_searched_name(text: str) -> None:
    """Search a name, and write the entries of a certificate that has it as its common name."""
    choose_range(with_name(Criteria(START), text))
    leaf = authority.leaf(subject={"common_name": (text,)})
    inventory_items.entries(authority.kept(authority.requested(leaf=leaf)))
    plain_hexadecimal(text, SERIAL_NUMBER)


def trail() -> list[Item]:
    """Return entries of the issuance trail."""
    request = authority.requested()
    record, decision = authority.kept(request), Decision("role", "Ops", START, approved=True, origin="command")
    found = [IssuanceEntry.issued(request, record), IssuanceEntry.failed(request, "the ceiling")]
    found += [IssuanceEntry.decided(request, decision), IssuanceEntry.configured(record, START, 7, OPERATOR)]
    return [dict(issuance_trail.put("table", entry)["Put"]["Item"]) for entry in found]


def read_kept(pem: str) -> None:
    """Read the certificate that a stored row has."""
    kept = authority.kept(authority.requested(), certificate=pem)
    certificate_items.fingerprint(kept)
    certificate_items.key_digest(kept)


def read_foreign(data: bytes) -> None:
    """Import a certificate and its chain: what is accepted can be stored, listed and shown."""
    _, issuing, _ = chain()
    files = certificate_files.read(pem_of(data), None, None, START)
    signed = files.certificate
    record = authority.kept(
        authority.requested(leaf=files.leaf, spelling=files.spelling, ca="", csr=""),
        certificate=to_pem([signed]), serial_number=f"{signed.serial_number:040x}", imported=True,
        not_before=signed.not_valid_before_utc, not_after=signed.not_valid_after_utc,
    )  # fmt: skip
    assert certificate_items.read_certificate(certificate_items.certificate_item(record)) == record
    inventory_items.entries(record)
    issuance_trail.item(IssuanceEntry.imported(record))
    json.dumps(response_bodies.certificate(record, START))
    certificate_files.read(pem_of(data), to_pem([issuing.certificate]), KEY.pem(), START)


def read_foreign_chain(text: str) -> None:
    """Check a changed chain, and the same text as a private key."""
    last = chain()[2].certificate
    for files in ((text, None), (None, text)):
        with suppress(*TYPED):
            certificate_files.read(to_pem([last]), *files, START)


def read_stored_chain(pem: str) -> None:
    """Answer with the chain that a stored row has."""
    response_bodies.issued_certificate(authority.kept(authority.requested(), chain=pem), remove_roots=True)


def read_published(der: bytes) -> None:
    """Read a stored list in every way: to serve it, to watch it, to publish the next one."""
    front = setting()
    front.certificates.published = lambda ca_id: der  # type: ignore[method-assign]
    copies = PublicCopies(front.configuration, front.certificates, FakePublicStore(), front.clock)
    publisher = CrlPublisher(
        front.configuration, front.certificates, front.signer, copies, front.clock, pause=lambda seconds: None
    )
    ca = front.configuration.cas()[0]
    for call in (
        publisher.refresh,
        publisher.root_crls,
        copies.copy_all,
        lambda: publisher.publish_revoked(ca.id, {1: Revoked(1, START, None)}),
    ):
        with suppress(*TYPED):
            call()
    PublicDownloads(front.configuration, front.certificates, front.clock).crl(ca.id)


def read_crl(item: Item) -> None:
    """Read number and content of a list, and publish the next one."""
    store = DynamoDBCertificates(Table(item), "table", "trail")
    store.published("ca")
    store.next_crl_number("ca")
    store.publish("ca", 2, authority.crl(2))


def read_token(item: Item) -> None:
    """Read a token and a lockout, and count a failure."""
    rules = UniversalLogin.model_validate({"client-id": "client"})
    store = access_tokens.DynamoDBTokens(Table(item), "table")
    store.find("digest")
    Lockout(store, lambda: START).record("client", rules, store.login_failures("client"), correct=False)
    store.secret_used_up("client", 3)
    store.use("digest")


def token() -> Item:
    found = Token("digest", str(uuid.uuid4()), START, START + timedelta(hours=1), START + timedelta(days=1), 3600, 5)
    values = access_tokens._written(found) | {"locked_until": 1_768_478_400_000, "failures": 2, "counted_until": 1}
    return certificate_items.key("token", "digest") | certificate_items.attributes(values)


# -- configuration ----------------------------------------------------------------------------------------------------
@cache
def setting() -> Setting:
    return Setting()


def configured() -> list[Item]:
    """Return one item of each kind."""
    front = setting()
    things = {
        "profile": front.profile(), "application": front.application("app", "shop", "tls-server"),
        "identity": front.identity()[0], "ca": front.configuration.cas()[0],
    }  # fmt: skip
    return [
        {name: written(value) for name, value in {"pk": kind, "sk": thing.id, "schema": 1, "document": thing.model_dump_json(by_alias=True)}.items()}
        for kind, thing in things.items()
    ]  # fmt: skip


def read_configuration(item: Item) -> None:
    """Read the item as what it is."""
    kind = item["pk"]["S"]
    for adapter in (DynamoDBConfiguration, ConfigurationWriter):
        getattr(adapter(Table(item), "table"), kind)(item["sk"]["S"])


def read_every_ca(item: Item) -> None:
    """List all CAs: an unreadable one must not hide the others."""
    DynamoDBConfiguration(Table(item), "table").every_ca()


# -- ledger -----------------------------------------------------------------------------------------------------------
def intent() -> Item:
    order = json.dumps(authority.leaf().model_dump(mode="json", by_alias=True))
    item = signing_ledger._item(Intent("order-1", "ca", 77, "digest", START, {"leaf": order}))
    return {name: written(value) for name, value in item.items()} | {
        "sha256": {"S": "ab"},
        "der": {"B": b"x"},
        "order_id": {"S": "1"},
    }


def read_ledger(item: Item) -> None:
    """Read the ledger as the signer does after a refused write, and as an operator does."""
    with suppress(*TYPED):
        signing_ledger._read(item, "order-1")
    reading = LedgerReading(Table(item), "table")
    _ = [entry.names for entry in reading.certificates()]
    reading.signed("ca", 77)


# -- between the functions --------------------------------------------------------------------------------------------
def orders() -> list[Any]:
    csr = requests.pem(requests.der(requests.request()))
    leaf = LeafOrder("order-1", "ca", "shop/tls-server", authority.leaf(), csr)
    crl = CrlOrder("ca", 1, START, START + timedelta(days=7), (Revoked(1, START, "superseded"),))
    return [encode_leaf(leaf), encode_crl(crl)]


def read_signer_answer(answer: Any) -> None:
    """Read an answer of the signer's function."""
    payload = io.BytesIO(json.dumps(answer).encode())
    client = SimpleNamespace(invoke=lambda **_: {"Payload": payload})
    SignerFunction(client, "signer").leaf(LeafOrder("order-1", "ca", "shop/tls-server", authority.leaf(), "csr"))


def read_policy(text: str) -> None:
    """Compare the policy of a key."""
    client = SimpleNamespace(get_key_policy=lambda **_: {"Policy": text})
    CAKeyMaking(client, client, "evercert").has_policy("key", {})


STS = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:sts::123456789012:assumed-role/a/b</Arn><UserId>AROA:b</UserId><Account>123456789012</Account>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
STS_ERROR = b"<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>"


def read_sts(data: bytes) -> None:
    """Read an answer of STS, of either status."""
    sts._read(httpx.Response(200, stream=httpx.ByteStream(data)), "STS")
    sts._error(data)
    sts._caller(data, "STS")


def read_public_key(data: bytes) -> None:
    """Read the public key of a key in KMS."""
    public_key_of(SimpleNamespace(public_key=lambda key: data), "key")


def read_installed(text: str) -> None:
    """Read the certificate of a CA from its definition."""
    installed = setting().configuration.cas()[0].installed[0]
    _ = Installed.model_validate(installed.model_dump(by_alias=True) | {"certificate": text}).public_key


READERS = [
    Reader("authority row", rows, read_row, changed, TYPED, cost=6),
    Reader("inventory", inventory, read_entry, changed, TYPED, cost=4),
    Reader("cursor of a search", cursors, read_cursor, mutated_text, TYPED),
    Reader("name in a search", lambda: ["www.example.com", "*.example.com", "*shop*", "10.0.0.7"], read_searched_name, mutated_text, TYPED, cost=4),
    Reader("issuance trail", trail, issuance_trail.read, changed, TYPED, cost=2),
    Reader("authority token", lambda: [token()], read_token, changed, TYPED),
    Reader("authority CRL", lambda: [certificate_items.key("crl", "ca") | certificate_items.attributes({"number": 1, "published": 1, "parts": 1, "leased_until": 1}) | {"der": {"B": authority.crl(1)}}], read_crl, changed, TYPED),
    Reader("authority configuration", configured, read_configuration, changed, TYPED, cost=2),
    Reader("list of CAs", lambda: [configured()[3]], read_every_ca, changed, (), cost=2),
    Reader("stored certificate", lambda: [authority.kept(authority.requested()).certificate], read_kept, mutated_text, TYPED),
    Reader("certificate to import", lambda: [der_of(chain()[2]), foreign.certificate(KEY).public_bytes(Encoding.DER)], read_foreign, typed=TYPED, cost=3),
    Reader("chain to import", lambda: [to_pem([one.certificate for one in chain()[1::-1]]), KEY.pem()], read_foreign_chain, mutated_text, TYPED, cost=2),
    Reader("stored chain", lambda: [authority.kept(authority.requested()).certificate], read_stored_chain, mutated_text, TYPED),
    Reader("published CRL", lambda: [authority.crl(1, 3)], read_published, typed=TYPED, cost=10),
    Reader("ledger", lambda: [intent()], read_ledger, changed, TYPED),
    Reader("order for the signer", orders, decode, changed_tree, TYPED),
    Reader("answer of the signer", lambda: [encode_answer(b"der"), {"refused": "no"}, {"misconfigured": "no"}], read_signer_answer, changed_tree, TYPED),
    Reader("key policy", lambda: ['{"Version": "2012-10-17", "Statement": []}'], read_policy, mutated_text, TYPED),
    Reader("answer of STS", lambda: [STS, STS_ERROR], read_sts, typed=TYPED),
    Reader("certificate of a CA", lambda: [setting().configuration.cas()[0].installed[0].certificate], read_installed, mutated_text),
    Reader("public key of KMS", lambda: [public_bytes(KEY.public_key)], read_public_key, typed=TYPED),
]  # fmt: skip

"""An order of the front → a certificate or a CRL, or why there is none."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from cryptography import x509

from evercert.authority.ca.signing_orders import CrlOrder, LeafOrder
from evercert.authority.signer.settings import SignerSettings
from evercert.authority.signer.signer import SigningService
from evercert.authority.signer.wire_format import decode, encode_answer
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.aws.authority.signing_ledger import DynamoDBLedger
from evercert.aws.clients import Clients
from evercert.aws.timeouts import WAITED_FOR
from evercert.deadline import Deadline
from evercert.errors import EvercertError, OutOfTime, Unavailable, Unexpected

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="signer")
RESERVE = timedelta(milliseconds=500)  # to answer in


def handler(event: object, context: LambdaContext) -> dict[str, str]:
    """Never raises; one line in the log for each order, without anything that the order says of itself unread."""
    facts: dict[str, Any] = {}
    _deadline().begin(now() + timedelta(milliseconds=context.get_remaining_time_in_millis()) - RESERVE)
    try:
        der = _told_in_time(decode(event), facts)
    except Exception as error:  # noqa: BLE001 (the front waits for an answer)
        known = error if isinstance(error, EvercertError) else Unexpected.of(error)
        # No traceback: its text could hold a secret.
        logger.warning({"outcome": known.kind, **facts, "error": str(known)})
        return encode_answer(known)
    logger.info({"outcome": "signed", **facts})
    return encode_answer(der)


def _told_in_time(order: LeafOrder | CrlOrder, facts: dict[str, Any]) -> bytes:
    """What was begun stands in the ledger, and goes on with the same serial number when it is asked for again."""
    try:
        return _signed(order, facts)
    except OutOfTime as error:
        raise Unavailable(f"AWS answers too slowly for the signer's time limit: {error}; ask again") from error


def _signed(order: LeafOrder | CrlOrder, facts: dict[str, Any]) -> bytes:
    """What it is about is told in `facts` as soon as it is known."""
    if isinstance(order, CrlOrder):
        facts |= {"verb": "crl", "ca": order.ca, "number": order.number, "revoked": len(order.revoked)}
        return _signing().crl(order)
    facts |= {"verb": "leaf", "order": order.id, "ca": order.ca, "profile": order.profile}
    der = _signing().leaf(order)
    facts["serial_number"] = f"{x509.load_der_x509_certificate(der).serial_number:x}"
    return der


def now() -> datetime:
    """The one clock of this function."""
    return datetime.now(UTC)


@cache
def _deadline() -> Deadline:
    return Deadline(now)


@cache
def _signing() -> SigningService:
    settings, clients = SignerSettings.of(os.environ), Clients(_deadline(), limits=WAITED_FOR)
    return SigningService(
        DynamoDBConfiguration(clients.dynamodb, settings.configuration),
        DynamoDBLedger(clients.dynamodb, settings.ledger),
        KMSKeys(clients.kms),
        settings.address,
        now,
    )

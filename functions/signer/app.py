"""Sign certificates and CRLs that the authority function orders."""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
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
from evercert.aws.lambda_clock import InvocationDeadline, now
from evercert.aws.timeouts import WAITED_FOR
from evercert.errors import EvercertError, Misconfigured, OutOfTime, Unavailable, Unexpected

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="signer")


def handler(event: object, context: LambdaContext) -> dict[str, str]:
    """Answer an order; never raises. Logs one line per order, without fields that were not validated."""
    facts: dict[str, Any] = {}
    _deadline().begin_invocation(context)
    try:
        der = _sign_in_time(decode(event), facts)
    except Exception as error:  # noqa: BLE001 (the authority function needs an answer)
        known = error if isinstance(error, EvercertError) else Unexpected.of(error)
        # No traceback: its text could contain a secret.
        logger.warning({"outcome": known.kind, **facts, "error": str(known)})
        return encode_answer(known)
    logger.info({"outcome": "signed", **facts})
    return encode_answer(der)


def _sign_in_time(order: LeafOrder | CrlOrder, facts: dict[str, Any]) -> bytes:
    """Sign an order, or raise Unavailable at the time limit; a repeated order resumes with the same serial number."""
    try:
        return _sign(order, facts)
    except OutOfTime as error:
        raise Unavailable(f"AWS answers too slowly for the signer's time limit: {error}; try again") from error


def _sign(order: LeafOrder | CrlOrder, facts: dict[str, Any]) -> bytes:
    """Sign an order; add its facts to the log line as soon as they are known."""
    if isinstance(order, CrlOrder):
        facts |= {"verb": "crl", "ca": order.ca, "number": order.number, "revoked": len(order.revoked)}
        return _service().crl(order)
    facts |= {"verb": "leaf", "order": order.id, "ca": order.ca, "profile": order.profile}
    der = _service().leaf(order)
    facts["serial_number"] = f"{x509.load_der_x509_certificate(der).serial_number:x}"
    return der


@cache
def _deadline() -> InvocationDeadline:
    return InvocationDeadline(now)


@cache
def _service() -> SigningService:
    settings = SignerSettings.of(os.environ)
    clients = Clients(_deadline(), limits=WAITED_FOR).ready("dynamodb", "kms")
    return SigningService(
        DynamoDBConfiguration(clients.dynamodb, settings.configuration),
        DynamoDBLedger(clients.dynamodb, settings.ledger),
        KMSKeys(clients.kms),
        settings.address,
        now,
    )


cold_start.finish(_service, Misconfigured)

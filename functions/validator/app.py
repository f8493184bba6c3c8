"""The validator function: the only one that connects to hosts that others choose.

It proves that ACME clients control the names of their orders (RFC 8555 §8), and reads what servers serve.
"""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from evercert.authority.validation.settings import NetworkSettings, ValidatorSettings
from evercert.authority.validation.validator import Validator
from evercert.aws.authority.acme_orders import DynamoDBAcmeOrders
from evercert.aws.authority.validation_names import ValidationNames
from evercert.aws.authority.validation_pages import ValidationPages
from evercert.aws.authority.validation_queue import SQSValidations, read
from evercert.aws.clients import Clients
from evercert.aws.lambda_clock import now
from evercert.aws.served_certificates import ServedCertificates
from evercert.aws.timeouts import WAITED_FOR
from evercert.aws.validator_client import read as read_probe
from evercert.errors import EvercertError, Misconfigured, Unexpected

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="validator")


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Process messages of the validation queue; return those that must come again.

    The issuer function sends `{"probe": {"host": NAME, "port": NUMBER, "server_name": NAME}}` and receives a report.
    """
    if "probe" in event:
        return _probe(event["probe"])
    failures = []
    for message in event["Records"]:
        try:
            challenge = read(message["body"])
            outcome, why = _validator().run(
                challenge.order, challenge.authorization, challenge.challenge, challenge.tries
            )
        except Exception as error:  # noqa: BLE001 (one message must not fail the others)
            known = error if isinstance(error, EvercertError) else Unexpected.of(error)
            logger.error({"outcome": known.kind, "message_id": message["messageId"], "error": str(known)})  # noqa: TRY400
            failures.append({"itemIdentifier": message["messageId"]})
        else:
            logger.info({"outcome": outcome, **asdict(challenge)} | ({"message": why} if why else {}))
    return {"batchItemFailures": failures}


def _probe(order: object) -> dict[str, Any]:
    """Return what a server serves; log where it was asked, never what it sent."""
    target = read_probe(order)
    report = _served().probe(target)
    answers = [{"address": one.address, "problem": one.problem} for one in report.answers]
    logger.info({"outcome": "probed", **asdict(target), "answers": answers})
    return report.model_dump(mode="json", exclude_none=True)


@cache
def _served() -> ServedCertificates:
    settings = NetworkSettings.of(os.environ)
    return ServedCertificates(ValidationNames(settings.resolvers).addresses, settings.networks, settings.local)


@cache
def _validator() -> Validator:
    settings = ValidatorSettings.of(os.environ)
    clients = Clients(limits=WAITED_FOR).ready("dynamodb", "sqs")
    names = ValidationNames(settings.network.resolvers)
    return Validator(
        DynamoDBAcmeOrders(clients.dynamodb, settings.table),
        SQSValidations(clients.sqs, settings.queue),
        ValidationPages(names.addresses, settings.network.networks, settings.network.local),
        names,
        now,
    )


cold_start.finish(_validator, Misconfigured)

"""The issuer function: one message, one step for one certificate or one late announcement."""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
from datetime import timedelta
from functools import cache
from time import sleep
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from evercert.aws.clients import Clients
from evercert.aws.dynamodb.beside_reader import DynamoDBBesideReader
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.dynamodb.issuer_loader import DynamoDBIssuers
from evercert.aws.dynamodb.rate_slots import DynamoDBRateSlots
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.revision_store import DynamoDBRevisions
from evercert.aws.kms import KMSSeal
from evercert.aws.lambda_clock import now
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.sqs import SQSQueue, read, request_of
from evercert.aws.timeouts import UNATTENDED
from evercert.contracts.ports import Ports
from evercert.deadline import Deadline
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.errors import EvercertError, Misconfigured, Unavailable, Unexpected
from evercert.issuance.circuit_breaker import Breaker
from evercert.issuance.metrics import report_metrics
from evercert.issuance.outbox import RunReport, announce_stored
from evercert.issuance.run import Issuance
from evercert.issuance.settings import IssuerSettings
from evercert.issuers import ISSUERS
from evercert.operations.accounts import change_account
from evercert.operations.diagnosis import dry_run, examine

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from evercert.aws.kms_signer import KMSSigner
    from evercert.contracts.consumers import ConsumerDirectory
    from evercert.contracts.probe import Prober
    from evercert.issuers.context import IssuerContext
    from evercert.operations.external_requests import ExternalFulfillment, Result

logger = Logger(service="issuer")
LEVELS = {"warning": logger.warning, "critical": logger.error}


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Process messages of the queue; return the ids of unreadable ones and of those that failed because of a bug.

    An operator may send `{"examine": [NAME, …]}` and receives the problems that would prevent an issuance.
    `{"test": {"issuer": NAME, "names": [NAME, …]}}` tests an issuer, and orders nothing.
    `{"account": {"issuer": NAME, "change": WORD}}` changes the account of an issuer at its CA.
    """
    if "examine" in event:
        return examine(list(map(str, event["examine"])), _wired()[0])
    if "test" in event:
        return dry_run(str(event["test"]["issuer"]), list(map(str, event["test"]["names"])), _wired()[0])
    if "account" in event:
        return change_account(str(event["account"]["issuer"]), str(event["account"]["change"]), _wired()[0])
    failures = []
    for message in event["Records"]:
        try:
            if (request := request_of(message["body"])) is not None:
                _report_external(_external().run(request))
                continue
            report = _one(message["body"])
        except Exception as error:  # noqa: BLE001 (one message must not fail the others)
            known = error if isinstance(error, EvercertError) else Unexpected.of(error)
            # No traceback: its text could hold a secret.
            logger.error({"outcome": "undeliverable", "message_id": message["messageId"], "error": str(known)})  # noqa: TRY400
            failures.append({"itemIdentifier": message["messageId"]})
        else:
            level = LEVELS.get(report.details.get("severity", ""), logger.info)
            level({"outcome": report.outcome, "certificate": report.certificate, **report.details})
            _count(report)
    return {"batchItemFailures": failures}


def _report_external(result: Result) -> None:
    level = {"failed": logger.warning, "unavailable": logger.warning}.get(result.outcome, logger.info)
    level({"outcome": f"request {result.outcome}", "request": result.request, "message": result.message})


def _count(report: RunReport) -> None:
    """Send the metrics of a report; the certificate is not a dimension, because that would dominate the cost."""
    for name, unit, value, more in report_metrics(report):
        metrics = Metrics(namespace="evercert", service="issuer")
        metrics.add_dimension("stack", os.environ["STACK_NAME"])
        for dimension, word in more.items():
            metrics.add_dimension(dimension, word)
        metrics.add_metric(name, unit, value)
        metrics.flush_metrics()


def _one(body: str) -> RunReport:
    """Process one message; after an error of the table the due time sends another one.

    A request that the table rejects as malformed is a bug, and raises.
    """
    nudge = read(body)
    ports, issuance = _wired()
    try:
        if nudge.outcome is not None:
            return announce_stored(nudge.certificate, nudge.outcome, ports.records, ports.announcer, ports.clock)
        return issuance.run(nudge.certificate, nudge.repeats)
    except (Unavailable, Misconfigured) as error:
        return RunReport(error.kind, nudge.certificate, {"severity": "warning", "message": str(error)})


def _pause(span: timedelta) -> None:
    sleep(span.total_seconds())


@cache
def _started() -> tuple[Deadline, Clients]:
    deadline = Deadline(now)
    return deadline, Clients(deadline, limits=UNATTENDED).ready("dynamodb")


@cache
def _wired() -> tuple[Ports, Issuance]:
    settings = IssuerSettings.of(os.environ)
    deadline, clients = _started()
    beside = DynamoDBBesideReader(clients.dynamodb, settings.table)
    ports = Ports(
        revisions=DynamoDBRevisions(clients.dynamodb, settings.table),
        records=DynamoDBRecordStore(clients.dynamodb, settings.table),
        queue=SQSQueue(clients.sqs, settings.queue),
        seal=KMSSeal(clients.kms, settings.seal_key, settings.data_stack),
        issuers=DynamoDBIssuers(clients.dynamodb, settings.issuers_table, ISSUERS, _context, now, beside=beside),
        destinations=RegisteredDestinations(DestinationContext(settings.stack_id, clients, settings.import_quota)),
        announcer=SNSAnnouncer(clients.sns, settings.topic, settings.stack_id),
        rate_limiter=DynamoDBRateSlots(clients.dynamodb, settings.table),
        breakers=DynamoDBBreakers(clients.dynamodb, settings.table),
        clock=now,
        sleep=_pause,
        deadline=deadline,
        prober=_prober(settings, clients),
        consumers=_consumers(settings, clients),
    )
    return ports, Issuance(ports, settings.lease)


def _prober(settings: IssuerSettings, clients: Clients) -> Prober | None:
    if not settings.validator:
        return None
    from evercert.aws.validator_client import ValidatorClient  # noqa: PLC0415

    return ValidatorClient(lambda: clients.lambda_, settings.validator)


def _consumers(settings: IssuerSettings, clients: Clients) -> ConsumerDirectory | None:
    if not settings.consumers_table:
        return None
    from evercert.aws.dynamodb.consumers import DynamoDBConsumers  # noqa: PLC0415

    return DynamoDBConsumers(clients.dynamodb, settings.consumers_table)


@cache
def _external() -> ExternalFulfillment:
    """Return the fulfillment of the authority's requests; only stacks with an authority get such messages."""
    from evercert.aws.authority.certificates import DynamoDBCertificates  # noqa: PLC0415
    from evercert.aws.authority.external_ceilings import DynamoDBExternalCeilings  # noqa: PLC0415
    from evercert.aws.authority.external_requests import DynamoDBExternalRequests  # noqa: PLC0415
    from evercert.operations.external_requests import ExternalFulfillment  # noqa: PLC0415

    settings, (_, clients), (ports, _) = IssuerSettings.of(os.environ), _started(), _wired()
    if not settings.authority_table:
        raise Misconfigured("the stack has no authority: deploy it again with the parameter that it had")
    return ExternalFulfillment(
        DynamoDBCertificates(clients.dynamodb, settings.authority_table, settings.audit_table),
        DynamoDBExternalRequests(clients.dynamodb, settings.authority_table, lambda: clients.sqs, settings.queue),
        DynamoDBExternalCeilings(clients.dynamodb, settings.issuers_table),
        ports.issuers,
        Breaker(ports.breakers, now, _pause),
        ports.deadline,
        settings.lease,
        now,
        _pause,
    )


@cache
def _context() -> IssuerContext:
    """Return the context of issuers that use the network; the others never load its modules."""
    from evercert.aws.credential_reader import Credentials  # noqa: PLC0415
    from evercert.aws.dynamodb.account_store import DynamoDBAccounts  # noqa: PLC0415
    from evercert.aws.dynamodb.http_answers import DynamoDBHTTPAnswers  # noqa: PLC0415
    from evercert.aws.dynamodb.leases import DynamoDBLeases  # noqa: PLC0415
    from evercert.aws.dynamodb.order_buckets import DynamoDBOrderBuckets  # noqa: PLC0415
    from evercert.aws.private_ca import PrivateCAClients  # noqa: PLC0415
    from evercert.aws.route53 import Route53Clients  # noqa: PLC0415
    from evercert.http_client.client import HTTPClient  # noqa: PLC0415
    from evercert.issuers.context import AcmeContext, IssuerContext  # noqa: PLC0415
    from evercert.origins import Hosts  # noqa: PLC0415
    from evercert.solvers.cname_records import DNSRecords  # noqa: PLC0415
    from evercert.solvers.context import RegisteredSolvers, Route53Context, SolverContext  # noqa: PLC0415

    settings = IssuerSettings.of(os.environ)
    deadline, clients = _started()
    http = HTTPClient(Hosts.of(settings.hosts), deadline, now, _pause, local=settings.local_issuers)
    answers = DynamoDBHTTPAnswers(clients.dynamodb, settings.table) if settings.responder else None
    leases = DynamoDBLeases(clients.dynamodb, settings.table)
    route53 = Route53Context(Route53Clients(clients, settings.stack_id).of, leases, DNSRecords(deadline), now, _pause)

    def kms_key(arn: str) -> KMSSigner:
        from evercert.aws.kms_signer import KMSSigner  # noqa: PLC0415

        return KMSSigner(clients.kms, arn)

    acme = AcmeContext(
        DynamoDBAccounts(clients.dynamodb, settings.table),
        KMSSeal(clients.kms, settings.seal_key, settings.data_stack),
        RegisteredSolvers(SolverContext(answers, route53)),
        DynamoDBOrderBuckets(clients.dynamodb, settings.table),
        kms_key,
    )
    return IssuerContext(http, Credentials(clients), clients.session, now, acme, PrivateCAClients(clients).of)


cold_start.finish(_wired, Misconfigured)

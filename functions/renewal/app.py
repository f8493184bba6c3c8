"""Renew certificates of the authority that are due, and announce approvals, on schedule.

Only certificates with a key that the authority generated are renewed.
"""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from evercert.authority.infisical_api.renewal import Renewals
from evercert.authority.registration.access import Access
from evercert.authority.registration.approval_notices import ApprovalNotices
from evercert.authority.registration.auto_renewal import AutoRenewal
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.renewal_settings import RenewalFunctionSettings
from evercert.authority.registration.request_builder import RequestBuilder
from evercert.aws.authority.approval_announcer import SNSApprovalAnnouncer
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.external_requests import DynamoDBExternalRequests
from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.aws.authority.renewal_announcer import SNSRenewalAnnouncer
from evercert.aws.authority.signer_client import SignerFunction
from evercert.aws.clients import Clients
from evercert.aws.lambda_clock import InvocationDeadline, now
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.timeouts import WAITED_FOR
from evercert.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="renewal")
MOST_EXTERNAL = 1_000  # requests at external issuers that one run wakes
LEVELS = {"renewed": logger.info, "ended": logger.info, "waiting": logger.info, "unavailable": logger.warning}


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Renew and announce what is due; return the numbers by outcome. Raise Unavailable after an outage."""
    _deadline().begin_invocation(context)
    counted: Counter[str] = Counter()
    renewal, notices, external = _wired()
    for part in (_wake(external), _announce(notices)):  # first: a backlog of renewals must not hold them up
        try:
            counted.update(part)
        except (Unavailable, Misconfigured) as error:  # nor do they hold the renewals up
            counted["unavailable"] += 1
            logger.error({"outcome": error.kind, "message": str(error)})  # noqa: TRY400 (a traceback could hold a secret)
    for attempt in renewal.run():
        counted[attempt.outcome] += 1
        facts = {"outcome": attempt.outcome, "certificate": attempt.certificate}
        LEVELS.get(attempt.outcome, logger.error)(facts | ({"message": attempt.problem} if attempt.problem else {}))
    _measure(counted)
    if counted["unavailable"] and not counted["renewed"]:
        raise Unavailable("no certificate could be renewed: see the log for the reasons")
    return dict(counted)


def _wake(external: DynamoDBExternalRequests) -> Iterator[str]:
    waiting = external.due(now(), MOST_EXTERNAL)
    external.wake(waiting)
    yield from ("external woken" for _ in waiting)


def _announce(notices: ApprovalNotices) -> Iterator[str]:
    for notice in notices.run():
        report = {"outcome": f"approval {notice.state}", "request": notice.request, "message": notice.problem}
        (logger.error if notice.problem else logger.info)(report)
        yield f"approval {notice.state}"


def _measure(counted: Counter[str]) -> None:
    metrics = Metrics(namespace="evercert", service="renewal")
    metrics.add_dimension("stack", os.environ["STACK_NAME"])
    metrics.add_metric("AuthorityRenewals", "Count", counted["renewed"])
    metrics.add_metric("AuthorityRenewalFailures", "Count", counted["failed"])
    metrics.flush_metrics()


@cache
def _deadline() -> InvocationDeadline:
    return InvocationDeadline(now)


@cache
def _wired() -> tuple[AutoRenewal, ApprovalNotices, DynamoDBExternalRequests]:
    settings = RenewalFunctionSettings.of(os.environ)
    clients = Clients(_deadline(), limits=WAITED_FOR).ready("dynamodb")
    configuration = DynamoDBConfiguration(clients.dynamodb, settings.configuration)
    certificates = DynamoDBCertificates(clients.dynamodb, settings.table, settings.audit)
    seal = KMSKeySeal(clients.kms, settings.seal_key, settings.data_stack)
    signer = SignerFunction(clients.lambda_, settings.signer)
    external = DynamoDBExternalRequests(clients.dynamodb, settings.table, lambda: clients.sqs, settings.queue)
    fulfillment = Fulfillment(configuration, certificates, signer, seal, now, external=external)
    access, builder = Access(configuration, certificates), RequestBuilder(configuration, seal, now)
    renewals = Renewals(configuration, certificates, access, builder, fulfillment, seal, now)
    topic = SNSAnnouncer(clients.sns, settings.topic, settings.stack_id)
    notices = ApprovalNotices(certificates, fulfillment, SNSApprovalAnnouncer(topic, now), now)
    return AutoRenewal(certificates, renewals, SNSRenewalAnnouncer(topic, now), now), notices, external


cold_start.finish(_wired, Misconfigured)

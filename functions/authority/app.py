"""A call of the API → its answer; the schedule's task → new CRLs."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from evercert.authority.infisical_api.dispatcher import Api, unset
from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.routes import ROUTES
from evercert.authority.infisical_api.services import ServicePorts, Services
from evercert.authority.infisical_api.settings import AuthoritySettings
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.aws.authority.signer_client import SignerFunction
from evercert.aws.authority.sts import STSOverHTTP
from evercert.aws.clients import Clients
from evercert.aws.timeouts import WAITED_FOR
from evercert.deadline import Deadline
from evercert.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext


logger = Logger(service="authority")
app = APIGatewayHttpResolver()
LEVELS = {"answered": logger.info, "refused": logger.info, "unavailable": logger.warning}
DAY = timedelta(days=1)
RESERVE = timedelta(milliseconds=500)  # to answer in


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Of API Gateway (payload 2.0), or `{"task": "crl"}` of the schedule."""
    _deadline().begin(now() + timedelta(milliseconds=context.get_remaining_time_in_millis()) - RESERVE)
    return crls() if event.get("task") == "crl" else app.resolve(event, context)


def answered(route: Route | None, ids: dict[str, str]) -> Response[Any]:
    """Carried out, and told in one line."""
    event = app.current_event.raw_event
    try:
        answer, told = _api().answer(route, event, ids)
    except Misconfigured as error:  # the environment: no call can be carried out
        logger.error({"outcome": error.kind, "message": str(error)})  # noqa: TRY400
        answer = unset(event.get("requestContext", {}))
    else:
        LEVELS.get(told.outcome, logger.error)(told.line)
    headers: dict[str, str | list[str]] = dict(answer.headers)
    return Response(status_code=answer.status, content_type=answer.kind, body=answer.body, headers=headers)


def _registered(route: Route) -> Callable[..., Response[Any]]:
    return lambda **ids: answered(route, ids)


for one in ROUTES:
    app.route(one.template.replace("{", "<").replace("}", ">"), method=one.method)(_registered(one))


@app.not_found
def unknown(_error: Exception) -> Response[Any]:
    """No such path, or not with this method."""
    return answered(None, {})


def crls() -> dict[str, Any]:
    """Every CA's list anew; raises Unavailable when one could not be made, so that it is tried again."""
    done = _front().crl_publishing.refresh()
    for one in done:
        facts = {"task": "crl", "ca": one.ca, "name": one.name}
        if one.problem is None:
            logger.info({"outcome": "published", **facts})
        else:
            logger.error({"outcome": "unpublished", **facts, "message": one.problem})
        _measure("CrlAgeSeconds", "Seconds", max(one.age.total_seconds(), 0))
        if one.left is not None:
            _measure("CaEndsDays", "Count", one.left / DAY)
    if failed := [one.name for one in done if one.problem is not None]:
        raise Unavailable(f"no new CRL for {', '.join(failed)}; the log says why")
    return {"published": [one.name for one in done]}


def _measure(name: str, unit: str, value: float) -> None:
    metrics = Metrics(namespace="evercert", service="authority")
    metrics.add_dimension("stack", os.environ["STACK_NAME"])
    metrics.add_metric(name, unit, value)
    metrics.flush_metrics()


def now() -> datetime:
    """The one clock of this function."""
    return datetime.now(UTC)


@cache
def _deadline() -> Deadline:
    return Deadline(now)


@cache
def _front() -> Services:
    settings, clients = AuthoritySettings.of(os.environ), Clients(_deadline(), limits=WAITED_FOR)
    return Services(
        ServicePorts(
            configuration=DynamoDBConfiguration(clients.dynamodb, settings.configuration),
            certificates=DynamoDBCertificates(clients.dynamodb, settings.table),
            tokens=DynamoDBTokens(clients.dynamodb, settings.table),
            signer=SignerFunction(clients.lambda_, settings.signer),
            seal=KMSKeySeal(clients.kms, settings.seal_key, settings.stack),
            sts=STSOverHTTP(os.environ.get("AWS_ENDPOINT_URL_STS") or os.environ.get("AWS_ENDPOINT_URL")),
            clock=now,
            stack=settings.stack,
            address=settings.address,
            sts_regions=settings.sts_regions,
        )
    )


@cache
def _api() -> Api:
    return Api(_front())

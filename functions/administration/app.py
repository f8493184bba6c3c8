"""Answer calls of the management API: the only function that may write policies, profiles, applications, identities."""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from evercert.authority.administration.routes import ROUTES
from evercert.authority.administration.services import AdministrationPorts, AdministrationServices
from evercert.authority.administration.settings import AdministrationSettings
from evercert.authority.infisical_api.dispatcher import Api, misconfigured
from evercert.authority.infisical_api.paths import without_trailing_slash
from evercert.authority.infisical_api.router import Router
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.change_writer import ChangeWriter
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.clients import Clients
from evercert.aws.lambda_clock import InvocationDeadline, now
from evercert.aws.timeouts import WAITED_FOR
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="administration")
router = Router(ROUTES)
LEVELS = {"answered": logger.info, "refused": logger.info, "unavailable": logger.warning}


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle an event of API Gateway (payload 2.0)."""
    _deadline().begin_invocation(context)
    return answer_call(without_trailing_slash(event))


def answer_call(event: dict[str, Any]) -> dict[str, Any]:
    """Answer a call and log it in one line."""
    route, ids = router.find(event)
    try:
        answer, log = _api().answer(route, event, ids)
    except Misconfigured as error:  # the environment: no call can succeed
        logger.error({"outcome": error.kind, "message": str(error)})  # noqa: TRY400
        answer = misconfigured(event.get("requestContext", {}))
    else:
        LEVELS.get(log.outcome, logger.error)(log.line)
    return answer.for_gateway


@cache
def _deadline() -> InvocationDeadline:
    return InvocationDeadline(now)


@cache
def _api() -> Api[AdministrationServices]:
    settings = AdministrationSettings.of(os.environ)
    clients = Clients(_deadline(), limits=WAITED_FOR).ready("dynamodb")
    ports = AdministrationPorts(
        configuration=DynamoDBConfiguration(clients.dynamodb, settings.configuration),
        open=lambda: ChangeWriter(clients.dynamodb, settings.configuration, settings.audit),
        tokens=DynamoDBTokens(clients.dynamodb, settings.table),
        clock=now,
        stack=settings.data_stack,
        address=settings.address,
    )
    return Api(AdministrationServices(ports))


cold_start.finish(_api, Misconfigured)

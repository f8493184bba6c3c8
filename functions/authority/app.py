"""Answer calls of the authority's API, publish CRLs on schedule, and copy public files."""

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

from evercert.authority.acme import paths as acme_paths
from evercert.authority.infisical_api.dispatcher import Api, misconfigured
from evercert.authority.infisical_api.paths import without_trailing_slash
from evercert.authority.infisical_api.router import Router
from evercert.authority.infisical_api.routes import ROUTES
from evercert.authority.infisical_api.services import ServicePorts, Services
from evercert.authority.infisical_api.settings import AuthoritySettings
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.call_reads import CallReads
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.external_requests import DynamoDBExternalRequests
from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.aws.authority.public_bucket import S3PublicStore
from evercert.aws.authority.signer_client import SignerFunction
from evercert.aws.authority.sts import STSOverHTTP
from evercert.aws.clients import Clients
from evercert.aws.lambda_clock import InvocationDeadline, now
from evercert.aws.timeouts import WAITED_FOR
from evercert.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from evercert.authority.acme.host_credentials import HostCredentials
    from evercert.authority.acme.paths import Resource
    from evercert.authority.acme.server import AcmeServer
    from evercert.authority.registration.approvals import AcmeRequesters
    from evercert.http_client.documents import HTTPDocuments

logger = Logger(service="authority")
router = Router(ROUTES)
LEVELS = {"answered": logger.info, "refused": logger.info, "unavailable": logger.warning}
DAY = timedelta(days=1)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle an event of API Gateway (payload 2.0), or a task.

    `{"task": "crl"}` comes from the schedule, `{"task": "files"}` from operators after a ceremony, and
    `{"task": "eab", "credential": ID}` from operators who create a credential for ACME clients.
    """
    _deadline().begin_invocation(context)
    if (task := TASKS.get(str(event.get("task")))) is not None:
        return task(event)
    event = without_trailing_slash(event)
    if (resource := acme_paths.parse(str(event.get("rawPath")))) is not None:
        return answer_acme(resource, event)
    return answer_call(event)


def answer_acme(resource: Resource, event: dict[str, Any]) -> dict[str, Any]:
    """Answer a request of an ACME client and log it in one line."""
    try:
        with _services().ports.reads.call(f"acme {resource.name}"):
            answer, log = _acme().answer(resource, event)
    except Misconfigured as error:  # the environment: no request can succeed
        logger.error({"outcome": error.kind, "message": str(error)})  # noqa: TRY400
        answer = misconfigured(event.get("requestContext", {}))
    else:
        LEVELS.get(log.outcome, logger.error)(log.line)
    return answer.for_gateway


def answer_call(event: dict[str, Any]) -> dict[str, Any]:
    """Answer a call of the API and log it in one line."""
    route, ids = router.find(event)
    try:
        with _services().ports.reads.call(route.template if route else "?"):
            answer, log = _api().answer(route, event, ids)
    except Misconfigured as error:  # the environment: no call can succeed
        logger.error({"outcome": error.kind, "message": str(error)})  # noqa: TRY400
        answer = misconfigured(event.get("requestContext", {}))
    else:
        LEVELS.get(log.outcome, logger.error)(log.line)
    return answer.for_gateway


def refresh_crls(_event: object = None) -> dict[str, Any]:
    """Publish a new CRL for each CA, then copy all files; raise Unavailable if one failed: Lambda tries again."""
    results = _services().crl_publisher.refresh()
    for one in results:
        facts = {"task": "crl", "ca": one.ca, "name": one.name}
        if one.problem is None:
            logger.info({"outcome": "published", **facts})
        else:
            logger.error({"outcome": "unpublished", **facts, "message": one.problem})
        _measure("CrlAgeSeconds", "Seconds", max(one.age.total_seconds(), 0))
        if one.left is not None:
            _measure("CaEndsDays", "Count", one.left / DAY)
    for left in _services().crl_publisher.root_crls().values():
        _measure("RootCrlEndsDays", "Count", left / DAY)
    uncopied = _copy_files()
    if failed := [one.name for one in results if one.problem is not None]:
        raise Unavailable(f"no new CRL for {', '.join(failed)}: see the log for the reasons")
    _require_copied(uncopied)
    return {"published": [one.name for one in results]}


def copy_files(_event: object = None) -> dict[str, Any]:
    """Copy all CRLs and CA certificates to their bucket; raise Unavailable if one failed: Lambda tries again."""
    _require_copied(_copy_files())
    return {"copied": True}


def make_mac_key(event: dict[str, Any]) -> dict[str, str]:
    """Return a new MAC key for external account binding (base64url) and its ciphertext; neither is stored or logged."""
    # The seal key is for this function only, so operators cannot decrypt the MAC keys of others.
    from evercert.acme import base64url  # noqa: PLC0415
    from evercert.aws.authority.mac_keys import KMSMacKeys  # noqa: PLC0415

    settings = AuthoritySettings.of(os.environ)
    mac_key, sealed = KMSMacKeys(_clients().kms, settings.seal_key, settings.data_stack).new(str(event["credential"]))
    logger.info({"task": "eab", "outcome": "generated", "credential": str(event["credential"])[:100]})
    return {"mac_key": base64url.encode(mac_key), "sealed": sealed}


TASKS: dict[str, Callable[[Any], dict[str, Any]]] = {"crl": refresh_crls, "files": copy_files, "eab": make_mac_key}


def _copy_files() -> int:
    """Copy all files, log each change and each problem, and return the number of problems."""
    results = _services().copies.copy_all()
    for one in results:
        facts = {"task": "files", "file": one.path}
        if one.problem is not None:
            logger.error({"outcome": "uncopied", **facts, "message": one.problem})
        elif one.written:
            logger.info({"outcome": "copied", **facts})
    failed = sum(one.problem is not None for one in results)
    _measure("FilesNotCopied", "Count", failed)
    return failed


def _require_copied(failed: int) -> None:
    if failed:
        raise Unavailable(f"cannot copy {failed} files to their bucket: see the log for the reasons")


def _measure(name: str, unit: str, value: float) -> None:
    metrics = Metrics(namespace="evercert", service="authority")
    metrics.add_dimension("stack", os.environ["STACK_NAME"])
    metrics.add_metric(name, unit, value)
    metrics.flush_metrics()


@cache
def _deadline() -> InvocationDeadline:
    return InvocationDeadline(now)


@cache
def _clients() -> Clients:
    return Clients(_deadline(), limits=WAITED_FOR).ready("dynamodb")


@cache
def _services() -> Services:
    settings, clients = AuthoritySettings.of(os.environ), _clients()
    reads = CallReads(clients.dynamodb)
    return Services(
        ServicePorts(
            configuration=DynamoDBConfiguration(clients.dynamodb, settings.configuration, reads),
            certificates=DynamoDBCertificates(clients.dynamodb, settings.table, settings.audit),
            public_store=S3PublicStore(clients.s3, settings.bucket),
            issue_credential=lambda identity, profile: _credentials().issue(identity, profile),
            acme_requesters=_acme_requesters,
            tokens=DynamoDBTokens(clients.dynamodb, settings.table, reads),
            signer=SignerFunction(clients.lambda_, settings.signer),
            seal=KMSKeySeal(clients.kms, settings.seal_key, settings.data_stack),
            documents=_documents,
            external=DynamoDBExternalRequests(clients.dynamodb, settings.table, lambda: clients.sqs, settings.queue),
            sts=STSOverHTTP(os.environ.get("AWS_ENDPOINT_URL_STS") or os.environ.get("AWS_ENDPOINT_URL")),
            clock=now,
            reads=reads,
            stack=settings.data_stack,
            address=settings.address,
            sts_regions=settings.sts_regions,
        )
    )


def _documents() -> HTTPDocuments:
    from evercert.http_client.documents import HTTPDocuments  # noqa: PLC0415 (for logins with tokens only)

    local = AuthoritySettings.of(os.environ).local_issuers
    return HTTPDocuments(_deadline(), now, lambda span: sleep(span.total_seconds()), local=local)


@cache
def _api() -> Api[Services]:
    return Api(_services())


@cache
def _credentials() -> HostCredentials:
    from evercert.aws.authority import acme_server  # noqa: PLC0415 (a function without ACME clients never loads it)

    settings = AuthoritySettings.of(os.environ)
    return acme_server.host_credentials(settings, _clients(), _services().ports.configuration, now)


def _acme_requesters() -> AcmeRequesters:
    from evercert.aws.authority import acme_server  # noqa: PLC0415 (for approvals only)

    return acme_server.requesters(_clients(), AuthoritySettings.of(os.environ).table, _services().ports.configuration)


@cache
def _acme() -> AcmeServer:
    from evercert.aws.authority import acme_server  # noqa: PLC0415 (a function without ACME clients never loads it)

    return acme_server.server(AuthoritySettings.of(os.environ), _clients(), _services(), _credentials())


cold_start.finish(_api, Misconfigured)

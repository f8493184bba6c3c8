"""The agent of this host with its stack, state and signals."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path

import boto3

from evercert.aws.certificate_events import CertificateEvents
from evercert.aws.clients import Clients, translated
from evercert.aws.delivered_certificates import DeliveredCertificates
from evercert.aws.dynamodb.consumers import DynamoDBConsumers
from evercert.aws.session import botocore_session
from evercert.aws.timeouts import LISTENING, USUAL, Limits
from evercert.cli.host_agent import stack_address
from evercert.cli.host_agent.logs import HostLog
from evercert.host.acknowledgement import Acknowledger
from evercert.host.agent import Agent
from evercert.host.certificate import HostCertificate
from evercert.host.context import HostContext
from evercert.host.event_listener import EventListener
from evercert.host.follower import Follower
from evercert.host.health import Health
from evercert.host.hooks import Hooks
from evercert.host.state import States
from evercert.host.systemd import Systemd


class Service:
    """Builds the parts of the agent, each once."""

    def __init__(
        self, certificates: Sequence[HostCertificate], directory: Path, log: HostLog, stack: str, region: str | None
    ) -> None:
        self.acknowledges = False
        self._certificates = certificates
        self._directory, self._log = directory, log
        self._stack, self._region = stack, region
        self._states, self._systemd = States(directory), Systemd()

    def _clients(self, limits: Limits) -> Clients:
        session = boto3.Session(region_name=self._address.region, botocore_session=botocore_session())
        return Clients(session=session, limits=limits)

    @cached_property
    def _address(self) -> stack_address.StackAddress:
        return stack_address.find(self._stack, self._region, self._directory)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the state's folder; raise Misconfigured if another agent uses it."""
        return self._states.locked()

    def followers(self) -> list[Follower]:
        """Return a follower for each certificate."""
        stack = DeliveredCertificates(self._clients(USUAL), self._address.table, self._address.account)
        acknowledger = self._acknowledger() if self.acknowledges else None
        context = HostContext(stack, self._states, Hooks(self._systemd.beat), _now, acknowledger)
        return [Follower(one, context, self._log.of(one.name)) for one in self._certificates]

    def _acknowledger(self) -> Acknowledger | None:
        """Return the acknowledger, which writes as the principal of this host; None if the stack has no table."""
        if not self._address.consumers:
            self._log.error(
                f"not acknowledged: stack {self._stack} takes no acknowledgements: "
                "deploy it with Acknowledgements=yes, or leave out --acknowledge"
            )
            return None
        clients = self._clients(USUAL)

        @cache
        def consumer() -> str:
            with translated("find the principal of this host"):
                return clients.sts.get_caller_identity()["UserId"]

        store = DynamoDBConsumers(clients.dynamodb, self._address.consumers)
        return Acknowledger(store, consumer, socket.gethostname(), _now)

    def agent(self, interval: timedelta, health_file: Path | None) -> Agent:
        """Return the agent."""
        self._health = Health(_now, health_file)
        return Agent(self.followers(), interval, self._health, self._systemd, self._log)

    @contextmanager
    def serving(self, agent: Agent, health_port: int | None, queue: str | None) -> Iterator[None]:
        """Answer health checks and listen to the queue while the agent runs."""
        with ExitStack() as opened:
            if health_port is not None:
                opened.enter_context(self._health.serving(health_port))
            if queue is not None:
                listener = EventListener(CertificateEvents(self._clients(LISTENING), queue), agent.wake, self._log)
                listener.start()
                opened.callback(listener.stop)
            yield


def _now() -> datetime:
    return datetime.now(UTC)

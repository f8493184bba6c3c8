"""An authority on the tables and the seal key of the emulator; the signer's ledger and keys are in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evercert.authority.contracts.issuance_trail import IssuanceEntry
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.infisical_api.services import Services
from evercert.aws.authority.certificate_items import read_certificate, read_request
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.external_requests import DynamoDBExternalRequests
from evercert.aws.authority.issuance_trail import read as read_entry
from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.errors import Unavailable
from tests.doubles.authority.authority import Setting
from tests.doubles.world import Killed, KillSwitch, World


class Switched:
    """Wraps a port of the signer; reports every call to a switch."""

    def __init__(self, inner: Any, switch: KillSwitch) -> None:
        self._inner, self._switch = inner, switch

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*given: Any) -> Any:
            self._switch.before(name)
            answer = method(*given)
            self._switch.after()
            return answer

        return call


class Stage:
    """An authority on new tables; each access to `front` is a new process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.setting = Setting(world.clock)
        self.table = world.authority_table("AuthorityTable")
        self.audit = world.authority_table("AuthorityAuditTable")
        self.signers = KillSwitch()
        signing = self.setting.signing
        signing._ledger = Switched(signing._ledger, self.signers)
        signing._keys = Switched(signing._keys, self.signers)
        self.identity, _ = self.setting.identity()
        self.profile = self.setting.profile()
        self.old = ""

    @property
    def front(self) -> Services:
        stage = self

        class Signer:
            """Invoke the signer; the front gets no response from a killed one."""

            def leaf(self, order: Any) -> bytes:
                stage.world.switch.before("invoke signer")
                try:
                    answer = stage.setting.signer.leaf(order)
                except Killed:
                    stage.signers.dead = False
                    raise Unavailable("the signer was ended before it answered") from None
                stage.world.switch.after()
                return answer

        self.world.judge_as(AuthorityTable=self.table, AuthorityAuditTable=self.audit)  # a test has several of these
        clients = self.world.clients
        ports = self.setting.ports(
            certificates=DynamoDBCertificates(clients.dynamodb, self.table, self.audit),
            seal=KMSKeySeal(clients.kms, self.world.authority_seal_key, "world"),
            signer=Signer(),
            external=self.external,
        )
        return Services(ports)

    @property
    def external(self) -> DynamoDBExternalRequests:
        clients = self.world.clients
        return DynamoDBExternalRequests(clients.dynamodb, self.table, lambda: clients.sqs, self.world.queue_url)

    def issued(self, **body: Any) -> dict[str, Any]:
        return self.front.enrollment.issue(self.identity, {"profileId": self.profile.id, **body}, None)

    @property
    def trail(self) -> list[IssuanceEntry]:
        found = self.world.operator.dynamodb.scan(TableName=self.audit, ConsistentRead=True)["Items"]
        return [read_entry(item) for item in found]

    def rows(self, kind: str, read: Callable[[Any], Any]) -> list[Any]:
        found = self.world.operator.dynamodb.scan(TableName=self.table, ConsistentRead=True)["Items"]
        return [read(item) for item in found if item["sk"]["S"] == kind]

    @property
    def certificates(self) -> list[CertificateRecord]:
        return self.rows("certificate", read_certificate)

    @property
    def requests(self) -> list[RequestRecord]:
        return self.rows("request", read_request)

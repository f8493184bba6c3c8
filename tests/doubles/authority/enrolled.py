"""Adapter that runs the test suite of the Infisical issuer against the authority."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from cryptography import x509

from evercert.authority.configuration.identity import Grant, Identity, Permission
from evercert.authority.configuration.profiles import Application, Profile
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.policy.policy import Policy
from evercert.pki.keys import public_bytes
from tests.doubles.authority.server import Authority
from tests.doubles.credential_reader import Vault
from tests.doubles.enrollment import Enrollment
from tests.doubles.fakes import Bench


@dataclass
class Issued:
    """A certificate with the attributes that the suite reads; `revoked` is always current."""

    server: Server
    kept: CertificateRecord

    @property
    def id(self) -> str:
        return self.kept.id

    @property
    def revoked(self) -> datetime | None:
        return self.server.setting.certificates.certificates[self.id].revoked_at

    @property
    def private_key(self) -> str | None:
        return self.kept.sealed_key

    @property
    def public_key(self) -> bytes:
        return public_bytes(x509.load_pem_x509_certificate(self.kept.certificate.encode()).public_key())


class Server(Authority):
    """An authority with the interface of the double of Infisical."""

    @property
    def issued(self) -> list[Issued]:
        return [Issued(self, kept) for kept in list(self.setting.certificates.certificates.values())]

    @property
    def store(self) -> Any:
        requests = {
            one.id: SimpleNamespace(
                id=one.id, status=one.status, metadata=[{"key": key, "value": value} for key, value in one.metadata]
            )
            for one in self.setting.certificates.requests.values()
        }
        waiting = [one for one in requests.values() if one.status == "pending"]
        return SimpleNamespace(requests=requests, open_requests=lambda: waiting, lock=nullcontext())

    def revoke(self, certificate_id: str, reason: str = "KEY_COMPROMISE") -> None:
        """Revoke a certificate outside evercert."""
        self.setting.front.revocation.revoke(self.client, certificate_id, {"revocationReason": reason})

    def renew_elsewhere(self, certificate_id: str, **body: Any) -> Issued:
        """Renew a certificate outside evercert, as the same identity; the authority generates the key."""
        made = self.setting.front.renewals.renew(self.client, certificate_id, body or {"renewalKeySource": "new"})
        return Issued(self, self.setting.certificates.certificates[made["certificateId"]])

    @property
    def _renewing(self) -> Any:
        def renewed(old: Issued, _who: None, body: dict[str, Any]) -> Any:
            return SimpleNamespace(certificate=self.renew_elsewhere(old.id, **body))

        return SimpleNamespace(_renewed=renewed)

    @property
    def client(self) -> Identity:
        """Return the current identity of the suite."""
        (found,) = self.setting.configuration._of[Identity].values()
        assert isinstance(found, Identity)
        return found


class Permissions:
    """Permissions of the suite's identity; only reading private keys can change."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def discard(self, permission: str) -> None:
        self._grant(permission, "request")

    def add(self, permission: str) -> None:
        self._grant(permission, "request", "read-key")

    def _grant(self, permission: str, *permissions: Permission) -> None:
        assert permission == "read-private-key certificates", permission
        grant = Grant(profile="*", permissions=permissions)
        self._server.setting.configuration.put(self._server.client.model_copy(update={"grants": (grant,)}))


class ProfileHere:
    """A profile that tests can change as an operator would."""

    def __init__(self, server: Server, made: Profile) -> None:
        self._server, self._id = server, made.id

    @property
    def made(self) -> Profile:
        found = self._server.setting.configuration.profile(self._id)
        assert found is not None
        return found

    @property
    def id(self) -> str:
        return self._id

    def _put(self, **changes: Any) -> None:
        self._server.setting.configuration.put(self.made.model_copy(update=changes))

    @property
    def policy(self) -> Any:
        put = self._put

        class Here:
            def __setattr__(self, name: str, value: Any) -> None:
                assert name == "rules"
                put(policy=Policy.model_validate(value))

        return Here()

    @property
    def defaults(self) -> dict[str, Any]:
        return self.made.defaults

    @defaults.setter
    def defaults(self, value: dict[str, Any]) -> None:
        self._put(defaults=value)


class ApplicationHere:
    """An application whose profiles tests can detach."""

    def __init__(self, server: Server, made: Application) -> None:
        self.attached = SimpleNamespace(
            clear=lambda: server.setting.configuration.put(made.model_copy(update={"profiles": ()}))
        )


class AuthorityEnrollment(Enrollment):
    """The enrollment fixture of the suite, with its server objects created in the authority."""

    def __init__(self, server: Server, bench: Bench) -> None:
        self.server, self.bench = server, bench  # type: ignore[assignment]
        made, self.secret = server.setting.identity("request", "read-key")
        self.identity = SimpleNamespace(
            client_id=made.universal.client_id if made.universal else "", permissions=Permissions(server)
        )  # type: ignore[assignment]
        self.vault = Vault()
        self.keep(self.secret)
        self.profile = ProfileHere(server, server.setting.profile())  # type: ignore[assignment]
        application = server.setting.application("shop-app", "shop", "tls-server")
        self.application = ApplicationHere(server, application)  # type: ignore[assignment]
        self.http_clients = []
        self.define()


@contextmanager
def enrolled() -> Iterator[AuthorityEnrollment]:
    """Yield a running enrollment."""
    bench = Bench()
    with Server(clock=bench.clock, ec="EC_secp384r1") as server:  # KMS signs SHA-384 with a key on P-384
        enrollment = AuthorityEnrollment(server, bench)
        try:
            yield enrollment
        finally:
            for http in enrollment.http_clients:
                http.close()

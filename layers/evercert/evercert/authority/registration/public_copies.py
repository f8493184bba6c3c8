"""Copies of CRLs and CA certificates outside the authority's table, which clients load over http."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from evercert.authority.ca.definition import CA, Installed
from evercert.authority.ca.public_files import certificate_file, crl_file
from evercert.authority.ca.public_paths import certificate_path, crl_path
from evercert.authority.contracts.ports import Certificates, Configuration, PublicStore
from evercert.errors import EvercertError


@dataclass(frozen=True)
class CopyResult:
    """Result for one file: whether it was written, or the problem."""

    path: str
    written: bool
    problem: str | None = None


class PublicCopies:
    """Copy public files to their store; idempotent. The table stays the source, so that a failed copy loses nothing."""

    def __init__(
        self,
        configuration: Configuration,
        certificates: Certificates,
        store: PublicStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._configuration = configuration
        self._certificates = certificates
        self._store = store
        self._clock = clock

    def copy_crl(self, ca_id: str) -> bool:
        """Copy the current CRL of a CA, if there is one; return whether it was written.

        Raise the errors of the store, and Misconfigured for a malformed CRL.
        """
        der = self._certificates.published(ca_id)
        return der is not None and self._store.put(crl_file(ca_id, der, self._clock()))

    def copy_all(self) -> list[CopyResult]:
        """Copy every CRL and CA certificate; a failing file does not affect the others."""
        return [result for ca in self._cas() for result in self._copy(ca)]

    def _cas(self) -> list[CA]:
        """Return the readable CAs; the daily task reports the others."""
        return [ca for ca in self._configuration.every_ca().values() if isinstance(ca, CA)]

    def _copy(self, ca: CA) -> Iterator[CopyResult]:
        for one in ca.installed:
            yield _result(certificate_path(ca.id, one.id), partial(self._copy_certificate, ca, one))
        if ca.installed:
            yield _result(crl_path(ca.id), partial(self.copy_crl, ca.id))

    def _copy_certificate(self, ca: CA, installed: Installed) -> bool:
        return self._store.put(certificate_file(ca.id, installed))


def _result(path: str, copy: Callable[[], bool]) -> CopyResult:
    try:
        return CopyResult(path, copy())
    except EvercertError as error:
        return CopyResult(path, written=False, problem=str(error))

"""A strict ACME server (RFC 8555) for http-01 and dns-01, in this process, with faults that tests choose."""

from tests.doubles.acme_server.server import AcmeServer

__all__ = ["AcmeServer"]

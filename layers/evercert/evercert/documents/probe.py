"""The probe of a certificate: the server that should serve it."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, ModelWrapValidatorHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic.functional_validators import model_validator

from evercert.errors import Misconfigured
from evercert.origins import Origin, dns_name, forbidden, to_a_labels
from evercert.schema import Model

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]{2,45}\]|[^\[\]:/?#@\s]{1,253}):[0-9]{1,5}")
_RULE = "write host:port, such as www.example.com:443; an IPv6 address in brackets"


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(_RULE)
    try:
        origin = Origin.of(f"https://{value}")
    except Misconfigured:
        raise ValueError(_RULE) from None
    if origin.address is not None and (why := forbidden(origin.address)) is not None:
        raise ValueError(f"{origin.host} is {why}, which is never probed; write the address that clients use")
    return f"[{origin.host}]:{origin.port}" if ":" in origin.host else f"{origin.host}:{origin.port}"


def _server_name(value: str) -> str:
    return dns_name(value, wildcard=False) if value.isascii() else to_a_labels(value)


class Probe(Model):
    """Host and port of the server; `server-name` is the name that the client asks for in the handshake (SNI)."""

    address: Annotated[str, AfterValidator(_address)]
    server_name: Annotated[str, AfterValidator(_server_name)] | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _short(cls, data: object, handler: ModelWrapValidatorHandler[Probe]) -> Probe:
        """Accept `host:port` alone."""
        return handler({"address": data} if isinstance(data, str) else data)

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        return self.address if self.server_name is None else handler(self)

    @property
    def host(self) -> str:
        """The host without port and brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.address.rpartition(":")[2])

    @property
    def is_name(self) -> bool:
        """Whether the host is a DNS name, not an IP address."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False

    def __str__(self) -> str:
        return self.address if self.server_name is None else f"{self.address} ({self.server_name})"

"""Endpoints of clients, resolved once: botocore evaluates its rules for each call, a tenth of its time."""

from __future__ import annotations

from typing import Any

STEADY = {"dynamodb", "kms", "lambda"}  # no parameter changes their endpoint: tables are given by name


class SteadyEndpoint:
    """Endpoint resolver of a client that answers each call with the endpoint of the first one."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 (of botocore, which exports no type)
        self._inner = inner
        self._endpoint: Any = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)

    def construct_endpoint(self, **call: Any) -> Any:  # noqa: ANN401
        """Return the endpoint of the client."""
        if self._endpoint is None:
            self._endpoint = self._inner.construct_endpoint(**call)
        return self._endpoint


def keep_endpoint(client: Any, service: str) -> None:  # noqa: ANN401
    """Resolve the endpoint of a client once, if no parameter of a call changes it."""
    if service in STEADY:
        # botocore has no public API for it
        client._ruleset_resolver = SteadyEndpoint(client._ruleset_resolver)  # noqa: SLF001

"""The part of `boto3.Session` that evercert uses; importing boto3 takes a sixth of a cold start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.credentials import DeferredRefreshableCredentials
from botocore.session import get_session

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.credentials import Credentials
    from botocore.hooks import BaseEventHooks


class Session:
    """Session with a region and credentials; the default is the environment's, `refresh` supplies other credentials."""

    def __init__(self, region: str | None = None, refresh: Callable[[], dict[str, str]] | None = None) -> None:
        self._botocore = get_session()
        self._region = region
        if refresh is not None:
            # botocore has no public API for refreshable credentials
            self._botocore._credentials = DeferredRefreshableCredentials(refresh, "assume-role")  # type: ignore[attr-defined]  # noqa: SLF001

    @property
    def events(self) -> BaseEventHooks:
        """Return the event system, which sees the calls of all clients."""
        return self._botocore.get_component("event_emitter")  # type: ignore[no-any-return]

    @property
    def region_name(self) -> str | None:
        """Return the session's region, else the environment's, or None."""
        return self._region or self._botocore.get_config_variable("region")

    def get_credentials(self) -> Credentials | None:
        """Return the credentials that the clients sign with."""
        return self._botocore.get_credentials()

    def client(self, service: str, *, config: Config, region_name: str | None = None) -> Any:  # noqa: ANN401
        """Return the client that boto3 would create."""
        return self._botocore.create_client(service, region_name=region_name or self._region, config=config)

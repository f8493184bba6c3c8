"""What evercert uses of `boto3.Session`; importing boto3 itself would be a sixth of a cold start."""

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
    """Without a region it is the environment's; with `refresh`, credentials are asked for as they are needed."""

    def __init__(self, region: str | None = None, refresh: Callable[[], dict[str, str]] | None = None) -> None:
        self._botocore = get_session()
        self._region = region
        if refresh is not None:
            # botocore has no public way to hand over credentials that renew themselves
            self._botocore._credentials = DeferredRefreshableCredentials(refresh, "assume-role")  # type: ignore[attr-defined]  # noqa: SLF001

    @property
    def events(self) -> BaseEventHooks:
        """Where calls of all its clients can be listened to."""
        return self._botocore.get_component("event_emitter")  # type: ignore[no-any-return]

    @property
    def region_name(self) -> str | None:
        """Its own, else the environment's; None: there is none."""
        return self._region or self._botocore.get_config_variable("region")

    def get_credentials(self) -> Credentials | None:
        """Those that its clients sign with."""
        return self._botocore.get_credentials()

    def client(self, service: str, *, config: Config, region_name: str | None = None) -> Any:  # noqa: ANN401
        """The very client that boto3 would make."""
        return self._botocore.create_client(service, region_name=region_name or self._region, config=config)

"""The part of `boto3.Session` that evercert uses; importing boto3 takes a sixth of a cold start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.credentials import DeferredRefreshableCredentials
from botocore.parsers import ResponseParserError, ResponseParserFactory
from botocore.session import get_session

from evercert.aws import answers, trust

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.credentials import Credentials
    from botocore.hooks import BaseEventHooks
    from botocore.session import Session as BotocoreSession


class Session:
    """Session with a region and credentials; the default is the environment's, `refresh` supplies other credentials."""

    def __init__(self, region: str | None = None, refresh: Callable[[], dict[str, str]] | None = None) -> None:
        self._botocore = botocore_session()
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
        verify = trust.bundle(self._botocore, region_name or self.region_name)
        return self._botocore.create_client(
            service, region_name=region_name or self._region, config=config, verify=verify
        )


def botocore_session() -> BotocoreSession:
    """Return a new session whose clients raise ResponseParserError for every response that is not one of AWS."""
    session = get_session()
    answers.register(session)
    session.register_component("response_parser_factory", _Parsers())
    return session


class _Parsers(ResponseParserFactory):
    """Parsers of botocore, which assume responses of AWS and raise AttributeError, TypeError, … for others."""

    def create_parser(self, protocol_name: str) -> Any:  # noqa: ANN401
        """Return a parser for one response."""
        return _Parser(super().create_parser(protocol_name))


class _Parser:
    def __init__(self, inner: Any) -> None:  # noqa: ANN401
        self._inner = inner

    def parse(self, response: Any, shape: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the parsed response; raise ResponseParserError."""
        try:
            found = self._inner.parse(response, shape)
        except Exception as error:
            raise ResponseParserError(type(error).__name__) from error
        refusal = found.get("Error") if isinstance(found, dict) else None
        if not isinstance(found, dict) or (isinstance(refusal, dict) and not isinstance(refusal.get("Code", ""), str)):
            raise ResponseParserError("not an object, or an error without a code")
        return found

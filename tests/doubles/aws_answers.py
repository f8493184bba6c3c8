"""AWS clients whose calls are answered from a table of parsed answers; botocore's checks of an answer run as usual."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from botocore.parsers import ResponseParserError

from evercert.aws.clients import Clients
from evercert.aws.session import Session
from evercert.aws.timeouts import UNATTENDED


class AnsweringSession(Session):
    """Session with a table of answers by operation, such as `kms:Decrypt`; an absent one is answered with `{}`."""

    def __init__(self) -> None:
        super().__init__("eu-central-1")
        self.answers: Any = {}
        self.called: set[str] = set()
        self._made: dict[str, Any] = {}
        self.events.register("before-call", self._answer)

    def client(self, service: str, *, config: Any, region_name: str | None = None) -> Any:
        if service not in self._made:
            self._made[service] = super().client(service, config=config, region_name=region_name)
        return self._made[service]

    def _answer(self, model: Any, **_: Any) -> tuple[Any, Any]:
        answers = self.answers if isinstance(self.answers, dict) else {}
        operation = f"{model.service_model.service_name}:{model.name}"
        self.called.add(operation)
        found = answers.get(operation, {})
        error = found.get("Error", {}) if isinstance(found, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("Code", ""), str):
            raise ResponseParserError("as the parser of every session does")
        if isinstance(found.get("Payload"), bytes):
            found = {**found, "Payload": io.BytesIO(found["Payload"])}
        return SimpleNamespace(status_code=400 if "Error" in found else 200), found


def answering() -> tuple[AnsweringSession, Clients]:
    """Return a session and its clients."""
    session = AnsweringSession()
    return session, Clients(session=session, limits=UNATTENDED)

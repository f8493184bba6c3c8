"""The solver for http-01 (RFC 8555 §8.3): answers in a table, which the responder function reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.acme.challenges import is_token
from evercert.contracts.solver import AnswerStore, Challenge, Presented
from evercert.errors import Misconfigured, Unavailable, Unsuited
from evercert.schema import Model

if TYPE_CHECKING:
    from evercert.solvers.context import SolverContext


class HTTP01:
    """Publishes answers through the responder; the web host of each name must lead its requests there."""

    challenge_type = "http-01"

    class Settings(Model):
        """No settings."""

    def __init__(self, settings: Settings, context: SolverContext) -> None:
        self.settings = settings
        self._context = context

    def present(self, challenge: Challenge) -> Presented:
        """Store the answer until the challenge expires; it is readable at once."""
        if not is_token(challenge.token):  # it would be a key of the table and a path of the API
            raise Unavailable(f"the CA sent an invalid token for {challenge.name}")
        self._answers(challenge.name).put(challenge.token, challenge.key_authorization, challenge.expires)
        return Presented()

    def look(self, challenge: Challenge, notes: str) -> Presented:  # noqa: ARG002 (readable since `present`)
        """Return that the CA may look now."""
        return Presented()

    def clean_up(self, challenge: Challenge, notes: str) -> None:  # noqa: ARG002 (there are none)
        """Delete the answer."""
        if is_token(challenge.token):
            self._answers(challenge.name).delete(challenge.token, challenge.key_authorization)

    def check(self, name: str) -> None:
        """Raise Unsuited for a wildcard, and Misconfigured if the stack has no responder."""
        if name.startswith("*."):
            raise Unsuited(f"http-01 cannot prove control of the wildcard {name}: choose a DNS solver for it")
        self._answers(name)

    def _answers(self, name: str) -> AnswerStore:
        answers = self._context.answers
        if answers is None:
            raise Misconfigured(
                f"cannot solve http-01 for {name}: the stack has no responder; deploy it with Responder=yes"
            )
        return answers

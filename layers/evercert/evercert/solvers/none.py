"""The solver `none`, for CAs that know the names already: every authorization is valid from the beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.contracts.solver import Challenge, Presented
from evercert.errors import Unsuited
from evercert.schema import Model

if TYPE_CHECKING:
    from evercert.solvers.context import SolverContext


class NoSolver:
    """Solves no challenge: an order whose CA asks for one is refused, with the challenges that it offers."""

    challenge_type = "none"

    class Settings(Model):
        """No settings."""

    def __init__(self, settings: Settings, context: SolverContext) -> None:  # noqa: ARG002 (needs no resources)
        self.settings = settings

    def present(self, challenge: Challenge) -> Presented:
        """Raise Unsuited: no CA offers this type."""
        raise Unsuited(f"the solver none proves nothing for {challenge.name}: choose another solver for it")

    def look(self, challenge: Challenge, notes: str) -> Presented:  # noqa: ARG002 (nothing is presented)
        """Return that the CA may look now."""
        return Presented()

    def clean_up(self, challenge: Challenge, notes: str) -> None:
        """Do nothing."""

    def check(self, name: str) -> None:
        """Accept every name: only the CA knows which ones are authorized."""

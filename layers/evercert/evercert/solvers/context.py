"""Resources that solvers receive besides their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evercert.errors import Misconfigured
from evercert.registry import Component
from evercert.schema import first_problem
from evercert.solvers import SOLVERS

if TYPE_CHECKING:
    from types_boto3_route53 import Route53Client

    from evercert.contracts.solver import AnswerStore, CNAMEs, Leases, Solver
    from evercert.deadline import Clock


@dataclass(frozen=True)
class Route53Context:
    """Resources of the solver for Route 53.

    `client` returns the client for a role in another account, or for the stack's account. `leases` are those of record
    sets. `sleep` waits a moment for a lease.
    """

    client: Callable[[str | None], Route53Client]
    leases: Leases
    cnames: CNAMEs
    clock: Clock
    sleep: Callable[[timedelta], None]


@dataclass(frozen=True)
class SolverContext:
    """Resources shared by all solvers of one process.

    `answers` is None if the stack has no responder; `route53` is None outside the issuer function.
    """

    answers: AnswerStore | None = None
    route53: Route53Context | None = None


@dataclass(frozen=True)
class RegisteredSolvers:
    """Opens solvers by type."""

    context: SolverContext

    def open(self, kind: str, settings: Mapping[str, Any]) -> Solver:
        """Return the solver; raise Misconfigured for an unknown type or invalid settings."""
        try:
            component = Component.model_validate({"type": kind, **settings})
        except ValidationError as error:
            raise Misconfigured(f"solver: {first_problem(error)}") from error
        return SOLVERS.load(kind)(SOLVERS.settings(component), self.context)  # type: ignore[no-any-return]

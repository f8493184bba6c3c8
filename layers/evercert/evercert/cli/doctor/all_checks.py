"""All checks of `doctor`, in the order of its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evercert.cli.doctor import (
    authority_checks,
    certificate_checks,
    function_checks,
    owner_checks,
    retained_key_checks,
    stack_checks,
    subscription_checks,
    version_check,
)

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.cli.doctor.stack_checks import CheckFunction


def of(connection: Connection, names: Sequence[str]) -> dict[str, CheckFunction]:
    """Return the checks by name; `names` limits those of certificates, none means all."""
    return {
        **version_check.of_version(connection),
        **stack_checks.of_stack(connection),
        **function_checks.of_functions(connection),
        **subscription_checks.of_topic(connection),
        **retained_key_checks.of_retained_keys(connection),
        **authority_checks.of_authority(connection),
        **certificate_checks.of_certificates(connection, list(names)),
        **owner_checks.of_owner(connection),
    }

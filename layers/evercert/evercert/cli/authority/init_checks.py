"""Checks of `init`: options that contradict the CAs that exist already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from evercert.cli.authority.lazy import require_current_stack
from evercert.cli.files import BadInput

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.ceremony import InitOptions
    from evercert.cli.authority.connection import AuthorityConnection
    from evercert.pki.algorithms import KeyAlgorithm


def check_existing(
    authority: AuthorityConnection,
    options: InitOptions,
    existing: Mapping[str, CA],
    issuing: Iterable[tuple[str, KeyAlgorithm]],
) -> None:
    """Raise BadInput for options that contradict existing CAs."""
    _check_root(authority.connection.name, existing.values(), no_root=options.outside)
    _check_algorithms(existing, issuing)
    _check_limits(options, existing)
    if options.constraints is not None or options.path_length is not None:
        require_current_stack(authority, "name constraints and path length")


def _check_root(stack: str, cas: Collection[CA], *, no_root: bool) -> None:
    """Refuse to mix issuing CAs under the own root with externally certified ones."""
    if no_root and any(ca.kind == "root" for ca in cas):
        raise BadInput([f"stack {stack} has a root already, which certifies its issuing CAs: omit --no-root"])
    if not no_root and (external := [ca.name for ca in cas if ca.kind == "issuing" and ca.parent is None]):
        raise BadInput([f"{', '.join(external)} of stack {stack} are certified by an external CA: add --no-root"])


def _check_algorithms(existing: Mapping[str, CA], requested: Iterable[tuple[str, KeyAlgorithm]]) -> None:
    """Refuse another key algorithm for an existing CA: its key cannot change."""
    taken = [(existing[name], algorithm) for name, algorithm in requested if name in existing]
    errors = [
        f"--issuing {ca.name}={algorithm}: CA {ca.name} exists with {ca.algorithm}; choose another name"
        for ca, algorithm in taken
        if ca.kind == "root" or ca.algorithm != algorithm
    ]
    if errors:
        raise BadInput(errors)


def _check_limits(options: InitOptions, existing: Mapping[str, CA]) -> None:
    """Refuse other limits for an existing CA: its present certificate, for the same key, stays valid without them."""
    errors = []
    root = existing.get("root")
    if root is not None and not options.outside:
        limits = options.limits(root.name)
        if limits.path_length not in (None, root.path_length) or limits.constraints not in (None, root.constraints):
            errors.append(
                "root exists with another path length or other name constraints: only a new root can have these"
            )
    if options.constraints is not None:
        errors += [
            f"CA {name} exists with other name constraints: only a new key can have these; "
            f"run evercert authority ca replace {name} with them"
            for name in dict(options.issuing)
            if name in existing and existing[name].constraints != options.constraints
        ]
    if errors:
        raise BadInput(errors)

"""Pages about one CA (`ca show`), and what to run next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from evercert.cli.authority import show
from evercert.cli.console import Terminal
from evercert.operations.escapes import visible

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA


def ca(console: Terminal, found: CA) -> None:
    """Print one CA (`ca show`)."""
    values = show.ca_values(found)
    for key in ("name", "id", "kind", "status", "algorithm", "key"):
        console.print(f"{key}: {values[key]}")
    for one in values["certificates"]:
        console.print(f"certificate {one['id']}:")
        for key in ("subject", "issuer", "serial_number", "not_before", "not_after", "sha256"):
            console.print(f"    {key}: {visible(one[key], 300)}")
    for key in ("path_length", "replaced_by", "retired_at"):
        if values[key] is not None:
            console.print(f"{key}: {values[key]}")
    for part, names in (values["constraints"] or {}).items():
        for kind, subtrees in names.items():
            if subtrees:
                console.print(f"{part} {kind}: {show.listed(subtrees)}")
    if values["ceiling"] is not None:
        console.print("ceiling:")
        show.ceiling(console, values["ceiling"])


def next_steps(found: Sequence[CA]) -> list[str]:
    """Return what to run after `init`."""
    pending = [ca.name for ca in found if ca.status == "pending"]
    if pending:
        return [
            f"CA {name} has no certificate yet: run evercert authority ca csr {name}, then ca import"
            for name in pending
        ]
    root = next((ca for ca in found if ca.kind == "root"), None)
    lines = ["next: evercert authority ceiling NAME --dns …, … apply FILE, … identity create"]
    if root is not None:
        fingerprint = show.ca_values(root)["certificates"][-1]["sha256"]
        lines.insert(0, f"to trust the root: evercert authority ca show {root.name} --pem (SHA-256 {fingerprint})")
    return lines


def import_notes(ca: CA, every: Iterable[CA]) -> Iterator[str]:
    """Yield what is left to do after an external CA has certified this one."""
    from evercert.authority.ca.constrained_names import ceiling_conflicts, constraints_of  # noqa: PLC0415 (slow to load)

    for one in every:
        if one.replaced_by == ca.id and one.retired_at is None:
            command = f"evercert authority ca replace {one.name}"
            yield f"CA {ca.name} replaces CA {one.name}: run {command} to move its profiles"
    written = constraints_of(ca.model_copy(update={"constraints": None}))
    if ca.constraints is not None and ca.constraints.subtrees() not in [one.subtrees for one in written]:
        yield f"the certificate of CA {ca.name} lacks the name constraints of its CSR: only the signer enforces them"
    if ca.ceiling is not None:
        for conflict in ceiling_conflicts(ca.ceiling, constraints_of(ca)):
            yield f"ceiling of CA {ca.name}: {conflict}; run evercert authority ceiling {ca.name} to limit it"

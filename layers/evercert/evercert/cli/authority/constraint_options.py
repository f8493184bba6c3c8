"""Options for name constraints of CAs: `--permit-dns`, `--exclude-ip` and their siblings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from evercert.cli.files import BadInput
from evercert.schema import first_problem, printable

if TYPE_CHECKING:
    from evercert.authority.ca.constraints import Constraints

Values = list[str] | None
PermitDns = Annotated[Values, typer.Option(help="DNS name to permit, with all names below it (repeatable).")]
PermitIp = Annotated[Values, typer.Option(help="IP network to permit, such as 10.0.0.0/8 (repeatable).")]
PermitEmail = Annotated[
    Values, typer.Option(help="E-mail domain to permit; .example.com for all below it (repeatable).")
]
PermitUri = Annotated[Values, typer.Option(help="URI host to permit; .example.com for all below it (repeatable).")]
ExcludeDns = Annotated[Values, typer.Option(help="DNS name to exclude, with all names below it (repeatable).")]
ExcludeIp = Annotated[Values, typer.Option(help="IP network to exclude (repeatable).")]
ExcludeEmail = Annotated[Values, typer.Option(help="E-mail domain to exclude, as in --permit-email (repeatable).")]
ExcludeUri = Annotated[Values, typer.Option(help="URI host to exclude, as in --permit-uri (repeatable).")]
_NOUNS = {"dns": "DNS names", "ip": "IP addresses", "email": "e-mail addresses", "uri": "URIs"}


@dataclass(frozen=True)
class ConstraintOptions:
    """The values of the options by kind."""

    permitted: dict[str, Values]
    excluded: dict[str, Values]

    def parse(self) -> Constraints | None:
        """Return the name constraints, or None without an option; raise BadInput with one line per error."""
        from evercert.authority.ca.constraints import ConstrainedNames, Constraints  # noqa: PLC0415 (slow to load)

        found: dict[str, dict[str, list[str]]] = {"permitted": {}, "excluded": {}}
        errors = []
        for verb, part, options in (("permit", "permitted", self.permitted), ("exclude", "excluded", self.excluded)):
            for kind, values in options.items():
                for value in dict.fromkeys(values or ()):
                    try:
                        ConstrainedNames.model_validate({kind: [value]})
                    except ValidationError as error:
                        why = first_problem(error).rpartition("Value error, ")[2]
                        errors.append(f"--{verb}-{kind} {printable(value, 80)!r}: {printable(why, 300)}")
                    else:
                        found[part].setdefault(kind, []).append(value)
        if errors:
            raise BadInput(errors)
        return Constraints.model_validate(found) if found["permitted"] or found["excluded"] else None


def unrestricted_note(constraints: Constraints) -> str | None:
    """Return a note about kinds of names that the constraints leave free (RFC 5280 §4.2.1.10), or None."""
    free = [
        noun
        for kind, noun in _NOUNS.items()
        if not getattr(constraints.permitted, kind) and not getattr(constraints.excluded, kind)
    ]
    if not free:
        return None
    return f"the name constraints leave {', '.join(free)} unrestricted; only the ceiling limits them"

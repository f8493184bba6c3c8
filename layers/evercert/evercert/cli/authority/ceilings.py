"""`ceiling`: show and set the limits of what an issuing CA may sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import show
from evercert.cli.authority.arguments import ca_named
from evercert.cli.authority.cas import Name
from evercert.cli.authority.ceiling_options import Dns, Email, Ip, Key, Uri, Usage, merged, parse_options
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.durations import to_text
from evercert.pki.algorithms import family
from evercert.pki.usages import OCSP_SIGNING_NOTE

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA, Ceiling


def ceiling(
    name: Name,
    *,
    dns: Dns = None,
    ip: Ip = None,
    email: Email = None,
    uri: Uri = None,
    key: Key = None,
    usage: Usage = None,
    any_purpose: Annotated[
        bool | None,
        typer.Option(help="Allow certificates without an extended key usage, which are valid for any purpose."),
    ] = None,
    longest: Annotated[str | None, typer.Option(help="Longest validity, such as 90d.")] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show or change the ceiling of an issuing CA. An option replaces its list; `none` clears it."""
    changes = parse_options({"dns": dns, "ip": ip, "email": email, "uri": uri, "key": key, "usage": usage})
    if any_purpose is not None:
        changes["any-purpose"] = any_purpose
    if longest is not None:
        changes["longest"] = to_text(arguments.span(longest, "--longest"))
    configuration = open_authority(stack, region).configuration
    ca = ca_named(configuration, name)
    if ca.ceiling is None:
        raise BadInput([f"CA {name} is a root: it has no ceiling, because no function signs with it"])
    before = ca.ceiling.model_dump(mode="json", by_alias=True)
    after = merged(type(ca.ceiling), ca.ceiling, changes).model_dump(mode="json", by_alias=True)
    if not changes:
        terminal.print_json(before) if as_json else show.ceiling(terminal.out, before, "")
        return
    changed = before != after
    _require_within_constraints(ca, type(ca.ceiling).model_validate(after))
    _note_risks(name, family(ca.algorithm), after)
    if not as_json and not show.differences(terminal.out, before, after):
        terminal.out.print("nothing to change")
    if changed:
        if not yes:
            terminal.confirm(f"Set the ceiling of CA {name}? It takes effect at once.")
        configuration.write(ca.model_copy(update={"ceiling": type(ca.ceiling).model_validate(after)}))
    if as_json:
        terminal.print_json({**after, "changed": changed})


def _require_within_constraints(ca: CA, after: Ceiling) -> None:
    """Raise BadInput for entries that allow names which clients refuse under the CA's name constraints."""
    from evercert.authority.ca.constrained_names import ceiling_conflicts, constraints_of  # noqa: PLC0415

    if conflicts := ceiling_conflicts(after, constraints_of(ca)):
        raise BadInput(
            [f"ceiling of CA {ca.name}: {conflict}; clients would refuse such certificates" for conflict in conflicts]
        )


def _note_risks(name: str, kind: str, after: dict[str, Any]) -> None:
    """Print a note if the CA can certify no key (the front sends the other family to another CA) or OCSP responders."""
    if kind not in {family(key) for key in after["key-algorithms"]}:
        terminal.notes([f"CA {name} can sign nothing: it certifies {kind} keys only"])
    if "ocsp_signing" in after["extended-key-usages"]:
        terminal.notes([OCSP_SIGNING_NOTE])

"""`ceiling`: what an issuing CA may sign at most."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import ValidationError

from evercert.cli import arguments, terminal
from evercert.cli.authority import show
from evercert.cli.authority.cas import Name
from evercert.cli.authority.given import ca_named
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.register import first_problem

Values = list[str] | None
_CLEARED = "none"  # `--email none`: an option that is given nothing cannot be told from one that is not given


def ceiling(
    name: Name,
    *,
    dns: Annotated[Values, typer.Option(help="A name, *.example.com for all below it, * for any (repeatable).")] = None,
    ip: Annotated[Values, typer.Option(help="A network, such as 10.0.0.0/8 (repeatable).")] = None,
    email: Annotated[Values, typer.Option(help="A domain, as in --dns (repeatable).")] = None,
    uri: Annotated[Values, typer.Option(help="A beginning, such as spiffe://example.com/ (repeatable).")] = None,
    key: Annotated[Values, typer.Option(help="A key algorithm, such as EC_prime256v1 (repeatable).")] = None,
    usage: Annotated[Values, typer.Option(help="A key usage or extended key usage (repeatable).")] = None,
    any_purpose: Annotated[
        bool | None,
        typer.Option(help="Whether a certificate may name no extended key usage, which is good for all of them."),
    ] = None,
    longest: Annotated[str | None, typer.Option(help="The longest validity, such as 90d.")] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show the ceiling of an issuing CA, or set parts of it; an option replaces what was there, `none` empties it."""
    from evercert.cli.authority.opened import opened  # noqa: PLC0415 (AWS's library is slow to load)

    wanted = _wanted(dns, ip, email, uri, key) | _usages(usage)
    if any_purpose is not None:
        wanted["any-purpose"] = any_purpose
    if longest is not None:
        wanted["longest"] = longest
    estate = opened(stack, region).estate
    ca = ca_named(estate, name)
    if ca.ceiling is None:
        raise BadInput([f"CA {name} is a root: no function signs with it, and so it has no ceiling"])
    before = ca.ceiling.model_dump(mode="json", by_alias=True)
    after = _checked({**before, **wanted})
    if not wanted:
        terminal.print_json(before) if as_json else show.ceiling(terminal.out, before, "")
        return
    changed = before != after
    if not as_json and not show.differences(terminal.out, before, after):
        terminal.out.print("nothing to change")
    if changed:
        if not yes:
            arguments.confirm(f"Set the ceiling of CA {name}? It counts at once.")
        estate.write(ca.model_copy(update={"ceiling": type(ca.ceiling).model_validate(after)}))
    if as_json:
        terminal.print_json({**after, "changed": changed})


def _wanted(dns: Values, ip: Values, email: Values, uri: Values, key: Values) -> dict[str, Any]:
    given = {"dns": dns, "ip": ip, "email": email, "uri": uri, "key-algorithms": key}
    return {field: _list(value) for field, value in given.items() if value}


def _usages(given: Values) -> dict[str, Any]:
    """Key usages and extended key usages are told apart by their words; both lists are replaced."""
    from evercert.usages import EXTENDED_KEY_USAGES  # noqa: PLC0415

    if not given:
        return {}
    words = [word.replace("-", "_") for word in _list(given)]
    extended = [word for word in words if word in EXTENDED_KEY_USAGES]
    return {"key-usages": [word for word in words if word not in extended], "extended-key-usages": extended}


def _list(given: list[str]) -> list[str]:
    return [] if given == [_CLEARED] else given


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    from ipaddress import ip_network  # noqa: PLC0415

    from evercert.authority.ca import Ceiling  # noqa: PLC0415

    wrong = []
    for network in values["ip"]:
        try:
            ip_network(network)
        except ValueError as error:
            wrong.append(f"--ip {error}")
    for field in ("dns", "email"):
        wrong += [f"--{field} {name!r}: a name, *.name or *" for name in values[field] if not _is_pattern(name)]
    if wrong:
        raise BadInput(wrong)
    try:
        return Ceiling.model_validate(values).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise BadInput([first_problem(error)]) from error


def _is_pattern(text: str) -> bool:
    from evercert.identifiers import parse  # noqa: PLC0415

    bare = text.removeprefix("*.")
    try:
        return text == "*" or ("*" not in bare and parse(f"dns:{bare}").value == bare)
    except ValueError:
        return False

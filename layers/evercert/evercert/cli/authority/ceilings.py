"""`ceiling`: show and set the limits of what an issuing CA may sign."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from pydantic import ValidationError

from evercert.cli import arguments, terminal
from evercert.cli.authority import show
from evercert.cli.authority.arguments import ca_named
from evercert.cli.authority.cas import Name
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.durations import to_text
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.identifiers import parse
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGES, OCSP_SIGNING_NOTE
from evercert.schema import first_problem, printable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA, Ceiling

Values = list[str] | None
_CLEARED = "none"  # `--email none` clears the list; an option without values looks like an absent one


def ceiling(
    name: Name,
    *,
    dns: Annotated[Values, typer.Option(help="DNS name, or a pattern: *.example.com, * for any (repeatable).")] = None,
    ip: Annotated[Values, typer.Option(help="IP network, such as 10.0.0.0/8 (repeatable).")] = None,
    email: Annotated[Values, typer.Option(help="E-mail domain, as in --dns (repeatable).")] = None,
    uri: Annotated[Values, typer.Option(help="URI prefix, such as spiffe://example.com/ (repeatable).")] = None,
    key: Annotated[Values, typer.Option(help="Key algorithm, such as EC_prime256v1 (repeatable).")] = None,
    usage: Annotated[Values, typer.Option(help="Key usage or extended key usage (repeatable).")] = None,
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
    from evercert.authority.ca.definition import Ceiling  # noqa: PLC0415 (cryptography and AWS's library are slow to load)

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
    try:
        after = Ceiling.model_validate({**before, **changes}).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise BadInput([first_problem(error)]) from error
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


def parse_options(options: dict[str, Values]) -> dict[str, Any]:
    """Return the fields of a ceiling that the options replace; raise BadInput with one line per error."""
    found: dict[str, list[str]] = {}
    errors = []
    for option, values in options.items():
        for value in values or ():
            try:
                found.setdefault(option, []).extend([] if values == [_CLEARED] else [_RULES[option](value)])
            except ValueError as error:
                errors.append(f"--{option} {printable(value, 80)!r}: {printable(str(error), 400)}")
    if errors:
        raise BadInput(errors)
    return {_FIELDS.get(option, option): list(dict.fromkeys(words)) for option, words in _split_usages(found).items()}


def _split_usages(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """Sort the usages into key usages and extended key usages; both lists are replaced."""
    if (words := found.pop("usage", None)) is None:
        return found
    extended: list[str] = [word for word in words if word in EXTENDED_KEY_USAGES]
    return {**found, "key-usages": [word for word in words if word not in extended], "extended-key-usages": extended}


def _pattern(text: str) -> str:
    if text == _CLEARED:
        raise ValueError(f"{_CLEARED} clears the list: do not combine it with other values")
    bare = text.removeprefix("*.")
    try:
        name = "" if "*" in bare else parse(f"dns:{bare}").value
    except ValueError:
        name = ""
    if text != "*" and (not name or name != bare):
        suggestion = f"; did you mean {text.removesuffix(bare)}{name}?" if name else ""
        raise ValueError(f"write a name, *.name or *{suggestion}")
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"write a network, such as 10.0.0.0/8 ({error})") from error


def _prefix(text: str) -> str:
    """Refuse an empty prefix: every URI starts with it."""
    if not _PREFIX.fullmatch(text):
        raise ValueError("write a URI prefix with its scheme, such as spiffe://example.com/")
    return text


def _key(text: str) -> str:
    if text not in SIGNED:
        raise ValueError(f"write one of {', '.join(SIGNED)}")
    return text


def _usage(text: str) -> str:
    word, known = text.replace("-", "_"), (*KEY_USAGES, *EXTENDED_KEY_USAGES)
    if word not in known:
        raise ValueError(f"write one of {', '.join(known)}")
    return word


SIGNED = tuple(one for one in get_args(KeyAlgorithm) if family(one) in {"EC", "RSA"})  # key families of the CAs
_PREFIX = re.compile(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]*")
_RULES = {"dns": _pattern, "email": _pattern, "ip": _network, "uri": _prefix, "key": _key, "usage": _usage}
_FIELDS = {"key": "key-algorithms"}

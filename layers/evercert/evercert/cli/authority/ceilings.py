"""`ceiling`: what an issuing CA may sign at most."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError

from evercert.cli import arguments, terminal
from evercert.cli.authority import show
from evercert.cli.authority.arguments import ca_named
from evercert.cli.authority.cas import Name
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.durations import to_text
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.identifiers import parse
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGES
from evercert.schema import first_problem, printable

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
    from evercert.authority.ca.definition import Ceiling  # noqa: PLC0415 (cryptography and AWS's library are slow to load)
    from evercert.cli.authority.connection import opened  # noqa: PLC0415

    wanted = _wanted({"dns": dns, "ip": ip, "email": email, "uri": uri, "key": key, "usage": usage})
    if any_purpose is not None:
        wanted["any-purpose"] = any_purpose
    if longest is not None:
        wanted["longest"] = to_text(arguments.span(longest, "--longest"))
    estate = opened(stack, region).estate
    ca = ca_named(estate, name)
    if ca.ceiling is None:
        raise BadInput([f"CA {name} is a root: no function signs with it, and so it has no ceiling"])
    before = ca.ceiling.model_dump(mode="json", by_alias=True)
    try:
        after = Ceiling.model_validate({**before, **wanted}).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise BadInput([first_problem(error)]) from error
    if not wanted:
        terminal.print_json(before) if as_json else show.ceiling(terminal.out, before, "")
        return
    changed = before != after
    _note_nothing(name, family(ca.algorithm), after["key-algorithms"])
    if not as_json and not show.differences(terminal.out, before, after):
        terminal.out.print("nothing to change")
    if changed:
        if not yes:
            arguments.confirm(f"Set the ceiling of CA {name}? It counts at once.")
        estate.write(ca.model_copy(update={"ceiling": type(ca.ceiling).model_validate(after)}))
    if as_json:
        terminal.print_json({**after, "changed": changed})


def _note_nothing(name: str, kind: str, keys: list[KeyAlgorithm]) -> None:
    """Of keys of the other family: the front gives them to another CA."""
    if kind not in {family(key) for key in keys}:
        terminal.notes([f"CA {name} certifies {kind} keys alone, so that it would sign nothing"])


def _wanted(given: dict[str, Values]) -> dict[str, Any]:
    """The fields of a ceiling that the options replace; raises BadInput with all that is wrong."""
    found: dict[str, list[str]] = {}
    wrong = []
    for option, values in given.items():
        for value in values or ():
            try:
                found.setdefault(option, []).extend([] if values == [_CLEARED] else [_RULES[option](value)])
            except ValueError as error:
                wrong.append(f"--{option} {printable(value, 80)!r}: {printable(str(error), 400)}")
    if wrong:
        raise BadInput(wrong)
    return {_FIELDS.get(option, option): list(dict.fromkeys(words)) for option, words in _told_apart(found).items()}


def _told_apart(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """Key usages and extended key usages are known by their words; both lists are replaced."""
    if (words := found.pop("usage", None)) is None:
        return found
    extended: list[str] = [word for word in words if word in EXTENDED_KEY_USAGES]
    return {**found, "key-usages": [word for word in words if word not in extended], "extended-key-usages": extended}


def _pattern(text: str) -> str:
    if text == _CLEARED:
        raise ValueError(f"{_CLEARED} leaves nothing, so give nothing with it")
    bare = text.removeprefix("*.")
    try:
        name = "" if "*" in bare else parse(f"dns:{bare}").value
    except ValueError:
        name = ""
    if text != "*" and (not name or name != bare):
        mend = f"; is it {text.removesuffix(bare)}{name}?" if name else ""
        raise ValueError(f"a name, *.name or *{mend}")
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"a network, such as 10.0.0.0/8 ({error})") from error


def _beginning(text: str) -> str:
    """Nothing at all would be the beginning of every URI."""
    if not _BEGINNING.fullmatch(text):
        raise ValueError("the beginning of a URI with its scheme, such as spiffe://example.com/")
    return text


def _key(text: str) -> str:
    if text not in SIGNED:
        raise ValueError(f"one of {', '.join(SIGNED)}")
    return text


def _usage(text: str) -> str:
    word, known = text.replace("-", "_"), (*KEY_USAGES, *EXTENDED_KEY_USAGES)
    if word not in known:
        raise ValueError(f"one of {', '.join(known)}")
    return word


SIGNED = tuple(one for one in get_args(KeyAlgorithm) if family(one) in {"EC", "RSA"})  # the families of CAs
_BEGINNING = re.compile(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]*")
_RULES = {"dns": _pattern, "email": _pattern, "ip": _network, "uri": _beginning, "key": _key, "usage": _usage}
_FIELDS = {"key": "key-algorithms"}

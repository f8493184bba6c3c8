"""Options that set the lists of a ceiling, of an issuing CA or of an external issuer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer
from pydantic import ValidationError

from evercert.cli.files import BadInput
from evercert.pki.algorithms import KeyAlgorithm, family
from evercert.pki.identifiers import parse
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGES
from evercert.schema import first_problem, printable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import Ceiling

AnyCeiling = TypeVar("AnyCeiling", bound="Ceiling")
Values = list[str] | None
Dns = Annotated[Values, typer.Option(help="DNS name, or a pattern: *.example.com, * for any (repeatable).")]
Ip = Annotated[Values, typer.Option(help="IP network, such as 10.0.0.0/8 (repeatable).")]
Email = Annotated[Values, typer.Option(help="E-mail domain, as in --dns (repeatable).")]
Uri = Annotated[Values, typer.Option(help="URI prefix, such as spiffe://example.com/ (repeatable).")]
Key = Annotated[Values, typer.Option(help="Key algorithm, such as EC_prime256v1 (repeatable).")]
Usage = Annotated[Values, typer.Option(help="Key usage or extended key usage (repeatable).")]
_CLEARED = "none"  # `--email none` clears the list; an option without values looks like an absent one


def merged(kind: type[AnyCeiling], before: AnyCeiling | None, changes: Mapping[str, Any]) -> AnyCeiling:
    """Return the ceiling with its changed fields; raise BadInput."""
    old = {} if before is None else before.model_dump(mode="json", by_alias=True)
    try:
        return kind.model_validate({**old, **changes})
    except ValidationError as error:
        raise BadInput([first_problem(error)]) from error


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

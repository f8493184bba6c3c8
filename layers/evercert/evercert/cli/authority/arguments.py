"""What the commands about the authority are given, checked; mistakes are told in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from evercert.cli.files import BadInput
from evercert.schema import nearest, printable

if TYPE_CHECKING:
    from cryptography import x509

    from evercert.authority.ca.definition import CA
    from evercert.authority.configuration.identity import Identity
    from evercert.aws.authority.configuration_writer import AuthorityEstate
    from evercert.pki.algorithms import KeyAlgorithm

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def name(text: str, what: str) -> str:
    """Before AWS is asked for it."""
    if not _NAME.fullmatch(text):
        raise BadInput([f"{printable(text, 80)!r} is no name of {what}: 1 to 64 letters, digits and . _ -"])
    return text


def ca_named(estate: AuthorityEstate, text: str) -> CA:
    """Raises BadInput when there is none."""
    found = estate.ca_named(name(text, "a CA"))
    if found is None:
        raise BadInput([_unknown("CA", text, [ca.name for ca in estate.cas()], "evercert authority init makes them")])
    return found


def identity_named(estate: AuthorityEstate, text: str) -> Identity:
    """Raises BadInput when there is none."""
    found = estate.identity_named(name(text, "an identity"))
    if found is None:
        names = [identity.name for identity in estate.identities()]
        raise BadInput([_unknown("identity", text, names, "evercert authority identity create makes one")])
    return found


def no_profile(key: str, known: Iterable[str]) -> str:
    """What is said of a profile that there is not; its slug alone is not enough."""
    there = sorted(known)
    said = f"there is no profile {printable(key, 200)!r}"
    if meant := [one for one in there if one.endswith(f"/{key}")]:
        return f"{said}; write {' or '.join(meant)}"
    close = nearest(key, there)
    return said + (close if "did you mean" in close else "; evercert authority profiles shows those there are")


def issuing_of(options: Iterable[str]) -> tuple[tuple[str, KeyAlgorithm], ...]:
    """What `--issuing` says."""
    from evercert.aws.authority.key_creation import SPECS  # noqa: PLC0415

    found: dict[str, KeyAlgorithm] = {}
    for option in options:
        text, _, algorithm = option.partition("=")
        known: KeyAlgorithm | None = next((one for one in SPECS if one == algorithm), None)
        if known is None:
            raise BadInput([f"--issuing {printable(option, 80)}: write NAME=ALGORITHM, one of {', '.join(SPECS)}"])
        if name(text, "a CA") == "root" or text in found:
            raise BadInput([f"--issuing {printable(option, 80)}: the name {text} is taken"])
        found[text] = known
    return tuple(found.items())


def ca_title(text: str) -> str:
    """`issuing-ec` as people read it in a certificate: `Issuing EC`."""
    return " ".join(part.upper() if part in {"ec", "rsa"} else part.capitalize() for part in text.split("-"))


def subject(common_name: str, organization: str | None) -> x509.Name:
    """Raises BadInput for what no certificate has (RFC 5280, appendix A.1)."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    given = {
        "--common-name": (NameOID.COMMON_NAME, common_name),
        "--organization": (NameOID.ORGANIZATION_NAME, organization),
    }
    found = []
    for option, (oid, value) in reversed(given.items()):
        if value is None:
            continue
        if not value.isprintable() or value != value.strip() or not 0 < len(value) <= 64:  # noqa: PLR2004
            raise BadInput(
                [f"{option}: {printable(value, 80)!r}: 1 to 64 printable characters (with what is added to it)"]
            )
        found.append(x509.NameAttribute(oid, value))
    return x509.Name(found)


def first_value(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    """Of a subject; None where it says nothing."""
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else None


def _unknown(what: str, text: str, known: Iterable[str], otherwise: str) -> str:
    names = sorted(known)
    if not names:
        return f"there is no {what} {text!r}; {otherwise}"
    close = nearest(text, names)
    return f"there is no {what} {text!r}" + (close if "did you mean" in close else f"; there are {', '.join(names)}")

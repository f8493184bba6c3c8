"""Parse and check the arguments of the authority commands; raise BadInput with one line for each error."""

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
    from evercert.aws.authority.configuration_writer import ConfigurationWriter
    from evercert.pki.algorithms import KeyAlgorithm

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def require_name(text: str, kind: str) -> str:
    """Return the name if it is valid; checked before any call to AWS."""
    if not _NAME.fullmatch(text):
        raise BadInput([f"invalid {kind} name {printable(text, 80)!r}: use 1 to 64 letters, digits and . _ -"])
    return text


def ca_named(configuration: ConfigurationWriter, name: str) -> CA:
    """Return the CA with this name; raise BadInput if it does not exist."""
    found = configuration.ca_named(require_name(name, "CA"))
    if found is None:
        known = [ca.name for ca in configuration.cas()]
        raise BadInput([_unknown("CA", name, known, "run evercert authority init to create the CAs")])
    return found


def identity_named(configuration: ConfigurationWriter, name: str) -> Identity:
    """Return the identity with this name; raise BadInput if it does not exist."""
    found = configuration.identity_named(require_name(name, "identity"))
    if found is None:
        known = [identity.name for identity in configuration.identities()]
        raise BadInput([_unknown("identity", name, known, "run evercert authority identity create to create one")])
    return found


def unknown_profile(key: str, known: Iterable[str]) -> str:
    """Return the message for a missing profile; a slug without its project is not a valid key."""
    names = sorted(known)
    message = f"unknown profile {printable(key, 200)!r}"
    if candidates := [name for name in names if name.endswith(f"/{key}")]:
        return f"{message}; write {' or '.join(candidates)}"
    suggestion = nearest(key, names)
    return message + (
        suggestion if "did you mean" in suggestion else "; run evercert authority profiles to list the profiles"
    )


def project_errors(slug: str, known: Iterable[str]) -> list[str]:
    """Return an error if the project does not exist, otherwise an empty list."""
    names = sorted(known)
    if slug in names:
        return []
    suggestion = nearest(slug, names) if names else ""
    remedy = "run evercert authority project create to create it"
    return [
        f"unknown project {printable(slug, 100)!r}" + (suggestion if "did you mean" in suggestion else f"; {remedy}")
    ]


def parse_algorithm(text: str) -> KeyAlgorithm:
    """Return the key algorithm of an `--algorithm` option."""
    from evercert.aws.authority.key_creation import SPECS  # noqa: PLC0415

    known: KeyAlgorithm | None = next((spec for spec in SPECS if spec == text), None)
    if known is None:
        raise BadInput([f"--algorithm {printable(text, 80)}: write one of {', '.join(SPECS)}"])
    return known


def parse_issuing(options: Iterable[str]) -> tuple[tuple[str, KeyAlgorithm], ...]:
    """Return the name and key algorithm of each `--issuing` option."""
    from evercert.aws.authority.key_creation import SPECS  # noqa: PLC0415

    found: dict[str, KeyAlgorithm] = {}
    for option in options:
        name, _, algorithm = option.partition("=")
        known: KeyAlgorithm | None = next((spec for spec in SPECS if spec == algorithm), None)
        if known is None:
            raise BadInput([f"--issuing {printable(option, 80)}: write NAME=ALGORITHM, one of {', '.join(SPECS)}"])
        if require_name(name, "CA") == "root" or name in found:
            raise BadInput([f"--issuing {printable(option, 80)}: the name {name} is taken"])
        found[name] = known
    return tuple(found.items())


def ca_title(name: str) -> str:
    """Return the CA's name as it appears in its subject: `issuing-ec` becomes `Issuing EC`."""
    return " ".join(part.upper() if part in {"ec", "rsa"} else part.capitalize() for part in name.split("-"))


def build_subject(common_name: str, organization: str | None) -> x509.Name:
    """Return the subject; raise BadInput for values that a certificate cannot hold (RFC 5280, appendix A.1)."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    values = {
        "--common-name": (NameOID.COMMON_NAME, common_name),
        "--organization": (NameOID.ORGANIZATION_NAME, organization),
    }
    attributes = []
    for option, (oid, value) in reversed(values.items()):
        if value is None:
            continue
        if not value.isprintable() or value != value.strip() or not 0 < len(value) <= 64:  # noqa: PLR2004
            raise BadInput(
                [f"{option}: invalid value {printable(value, 80)!r}: use 1 to 64 printable characters, suffix included"]
            )
        attributes.append(x509.NameAttribute(oid, value))
    return x509.Name(attributes)


def first_value(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    """Return the first value of this attribute in a subject, or None."""
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else None


def _unknown(kind: str, name: str, known: Iterable[str], remedy: str) -> str:
    names = sorted(known)
    if not names:
        return f"unknown {kind} {name!r}; {remedy}"
    suggestion = nearest(name, names)
    return f"unknown {kind} {name!r}" + (suggestion if "did you mean" in suggestion else f"; known: {', '.join(names)}")

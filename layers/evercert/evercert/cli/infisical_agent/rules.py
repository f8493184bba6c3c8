"""What an agent document must and must not hold together, in the order in which the agent looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from evercert.cli.infisical_agent.form import OUTPUTS
from evercert.documents.document import Path, Problem
from evercert.schema import printable

VERSIONS = ("v1", "v2")
# By version: the key that says where the profile is, and the one of the other version.
OWNERS = {"v1": ("project-slug", "application-name"), "v2": ("application-name", "project-slug")}
_NOT_WITH_AN_ID = ("project-slug", "profile-name", "application-name", "csr", "csr-path")


def of_document(document: Mapping[str, Any], refused: AbstractSet[Path] = frozenset()) -> Iterator[Problem]:
    """What is wrong with the whole, whatever its certificates hold; what was refused is not missing."""
    version, certificates = document.get("version"), [*filter(None, document.get("certificates") or [])]
    if version is None and ("version",) not in refused:
        by = "v2" if any("application-name" in entry for entry in certificates) else "v1"
        yield Problem((), f"the version is missing; write version: {by} ({OWNERS[by][0]})")
    elif version is not None and version not in VERSIONS:
        yield Problem(("version",), f"unsupported version: {printable(version, 40)}. Supported versions: v1, v2")
    if not certificates and ("certificates",) not in refused:
        yield Problem(("certificates",), "at least one certificate is required")
    if "templates" in document:
        yield Problem(
            ("templates",), "templates are of the secrets agent, and not allowed beside certificates; leave them out"
        )
    if not (document.get("auth") or {}).get("type") and not {("auth",), ("auth", "type")} & refused:
        yield Problem(("auth",), "the key 'type' is missing in auth; write how to log in, such as type: aws-iam")


def of_certificate(
    entry: Mapping[str, Any], version: object, number: int, refused: AbstractSet[Path] = frozenset()
) -> Iterator[Problem]:
    """What is wrong with one entry; `number` counts from 0, the messages from 1."""
    where, which = ("certificates", number), f"certificate {number + 1}"
    if "certificate-id" in entry:
        for key in _NOT_WITH_AN_ID:
            if key in entry:
                shown = "csr/csr-path" if key.startswith("csr") else key
                message = f"{which}: 'certificate-id' cannot be used together with '{shown}'"
                yield Problem((*where, key), f"{message}; leave one of them out")
        if "attributes" in entry:
            yield Problem(
                (*where, "attributes"),
                f"{which}: 'attributes' is not supported when using 'certificate-id'; leave it out",
            )
    elif isinstance(version, str) and version in OWNERS:
        owner, other = OWNERS[version]
        which_version = f"{which} (version {version})"
        if other in entry:
            message = f"'{other}' is not supported; write '{owner}', or change the version"
            yield Problem((*where, other), f"{which_version}: {message}")
        for key in (owner, "profile-name"):
            if key not in entry and (*where, key) not in refused:
                yield Problem(where, f"{which_version}: '{key}' is required")
    if "csr" in entry and "csr-path" in entry:
        message = "certificate configuration cannot specify both 'csr' and 'csr-path' fields; leave one of them out"
        yield Problem((*where, "csr-path"), f"{which}: {message}")
    yield from _outputs(entry, where, which)


def shared_paths(certificates: list[dict[str, Any] | None]) -> Iterator[Problem]:
    """Two outputs in one file would overwrite each other."""
    taken: dict[str, str] = {}
    for number, entry in enumerate(certificates):
        for output, settings in ((entry or {}).get("file-output") or {}).items():
            path = settings.get("path")
            whose = f"the {output.replace('-', ' ')} of certificate {number + 1}"
            if path is not None and taken.setdefault(path, whose) != whose:
                message = f"{printable(path)} is the file of {taken[path]} too; give each its own"
                place = ("certificates", number, "file-output", output, "path")
                yield Problem(place, f"certificate {number + 1}: {message}")


def _outputs(entry: Mapping[str, Any], where: Path, which: str) -> Iterator[Problem]:
    """The agent issues first, and then finds that it has no path to write to."""
    given = entry.get("file-output") or {}
    with_key = "csr" not in entry and "csr-path" not in entry and "certificate-id" not in entry
    for output in OUTPUTS:
        needed = output == "certificate" or (output == "private-key" and with_key)
        if (needed or output in given) and "path" not in given.get(output, {}):
            place = (*where, "file-output", output)
            yield Problem(place, f"{which}: file-output.{output}.path is required, as the agent requires it")

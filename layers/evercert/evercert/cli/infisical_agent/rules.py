"""Check which keys an agent document requires and excludes, in the order of the agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from evercert.cli.infisical_agent.shapes import MORE_OUTPUTS, OUTPUTS
from evercert.documents.document import Path, Problem
from evercert.schema import printable

VERSIONS = ("v1", "v2")
# By version: the key of the profile's owner, and the key of the other version.
OWNERS = {"v1": ("project-slug", "application-name"), "v2": ("application-name", "project-slug")}
WITH_KEY = ("combined", "private-key-der", "pkcs12", "jks")
_NOT_WITH_AN_ID = ("project-slug", "profile-name", "application-name", "csr", "csr-path")


def of_document(document: Mapping[str, Any], refused: AbstractSet[Path] = frozenset()) -> Iterator[Problem]:
    """Yield the problems of the document itself; keys in `refused` do not count as missing."""
    version, certificates = document.get("version"), [*filter(None, document.get("certificates") or [])]
    if version is None and ("version",) not in refused:
        by = "v2" if any("application-name" in entry for entry in certificates) else "v1"
        yield Problem((), f"missing version; write version: {by} ({OWNERS[by][0]})")
    elif version is not None and version not in VERSIONS:
        meant = f"v{version.lower().removeprefix('v').removesuffix('.0')}"
        hint = f"; write version: {meant}" if meant in VERSIONS else ""
        message = f"unsupported version: {printable(version, 40)}. Supported versions: v1, v2{hint}"
        yield Problem(("version",), message)
    if not certificates and ("certificates",) not in refused:
        yield Problem(("certificates",), "at least one certificate is required")
    if "templates" in document:
        yield Problem(
            ("templates",), "templates belong to the secrets agent and are not allowed with certificates; remove them"
        )
    if not (document.get("auth") or {}).get("type") and not {("auth",), ("auth", "type")} & refused:
        yield Problem(("auth",), "missing key 'type' in auth; write a login type, such as type: aws-iam")


def of_certificate(
    entry: Mapping[str, Any], version: object, number: int, refused: AbstractSet[Path] = frozenset()
) -> Iterator[Problem]:
    """Yield the problems of one entry; `number` counts from 0, messages from 1."""
    where, which = ("certificates", number), f"certificate {number + 1}"
    if "certificate-id" in entry:
        for key in _NOT_WITH_AN_ID:
            if key in entry:
                shown = "csr/csr-path" if key.startswith("csr") else key
                message = f"{which}: 'certificate-id' cannot be used together with '{shown}'"
                yield Problem((*where, key), f"{message}; remove one of them")
        if "attributes" in entry:
            yield Problem(
                (*where, "attributes"),
                f"{which}: 'attributes' is not supported when using 'certificate-id'; remove it",
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
        message = "certificate configuration cannot specify both 'csr' and 'csr-path' fields; remove one of them"
        yield Problem((*where, "csr-path"), f"{which}: {message}")
    yield from _outputs(entry, where, which)


def shared_paths(certificates: list[dict[str, Any] | None]) -> Iterator[Problem]:
    """Yield a problem for outputs that share a file; on a host one overwrites the other."""
    taken: dict[str, str] = {}
    for number, entry in enumerate(certificates):
        for output, settings in ((entry or {}).get("file-output") or {}).items():
            path = settings.get("path")
            owner = f"the {output.replace('-', ' ')} of certificate {number + 1}"
            if path is not None and taken.setdefault(path, owner) != owner:
                message = f"{printable(path)} is also the file of {taken[path]}; on a host, one overwrites the other"
                yield Problem(("certificates", number, "file-output", output, "path"), message)


def _outputs(entry: Mapping[str, Any], where: Path, which: str) -> Iterator[Problem]:
    """Yield a problem for missing output paths, which the agent finds only after it has issued."""
    file_output = entry.get("file-output") or {}
    with_key = "csr" not in entry and "csr-path" not in entry and "certificate-id" not in entry
    has_certificate = not file_output.keys().isdisjoint(MORE_OUTPUTS)
    has_key = not file_output.keys().isdisjoint(WITH_KEY)
    for output in (*OUTPUTS, *MORE_OUTPUTS):
        needed = (output == "certificate" and not has_certificate) or (
            output == "private-key" and with_key and not has_key
        )
        if (needed or output in file_output) and "path" not in file_output.get(output, {}):
            place = (*where, "file-output", output)
            yield Problem(place, f"{which}: file-output.{output}.path is required, as by the agent")

"""`apply`, `profiles` and `show`: manage policies, profiles and applications with files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import terminal
from evercert.cli.authority import show
from evercert.cli.authority.arguments import unknown_profile
from evercert.cli.authority.document_plan import Step, Stored, kept_by_api, plain, plan
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.source import Source, Unreadable, load
from evercert.cli.terminal import Json, Region, Stack
from evercert.pki.usages import OCSP_SIGNING_NOTE

if TYPE_CHECKING:
    from evercert.authority.configuration.document import AuthorityDocument
    from evercert.authority.configuration.profiles import Profile
    from evercert.cli.authority.connection import AuthorityConnection
    from evercert.cli.console import Terminal

Files = Annotated[list[str], typer.Argument(metavar="FILE", help="Documents (version: authority/v1).")]
Key = Annotated[str, typer.Argument(metavar="PROFILE", help="Profile, as project/slug.")]


def apply(
    files: Files,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and exit.")] = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Create or update the profiles, policies and applications in the documents. Others stay unchanged."""
    sources = load_all(files)
    authority = open_authority(stack, region)
    configuration = authority.configuration
    steps, notes = make_plan(authority, sources)
    terminal.notes(notes)
    changed = [step for step in steps if step.verb != "unchanged"]
    if not as_json:
        print_plan(terminal.out, steps)
    if not dry_run:
        configuration.write(*(step.item for step in changed))
    if as_json:
        values = [{"verb": step.verb, "what": step.kind, "name": step.name} for step in steps]
        terminal.print_json({"steps": values, "written": not dry_run})
    elif dry_run:
        terminal.out.print("nothing was written (--dry-run)")


def make_plan(authority: AuthorityConnection, sources: Sequence[Source]) -> tuple[list[Step], list[str]]:
    """Compare the documents with the configuration; return the steps and notes. Raises BadInput."""
    stored = Stored.of(authority.configuration)
    documents = read(sources, stored, authority.stack)
    notes = [*_note_ocsp_responders(documents), *kept_by_api(stored, documents)]
    return plan(stored, documents, authority.stack), notes


def profiles(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List all profiles."""
    found = open_authority(stack, region).configuration.profiles()
    if as_json:
        terminal.print_json([plain(profile) for profile in found])
    else:
        show.profiles(terminal.out, found)
        if not found:
            terminal.notes(["no profiles yet: run evercert authority apply FILE to create them"])


def show_(key: Key, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Show one profile: its CAs, defaults and policy, as a document that can be applied."""
    profile = profile_of(open_authority(stack, region), key)
    if as_json:
        terminal.print_json(plain(profile))
    else:
        terminal.out.lines(f"# id: {profile.id}\n{text_of(profile).rstrip()}")


def profile_of(authority: AuthorityConnection, key: str) -> Profile:
    """Return a profile; raise BadInput if it is missing."""
    found = {profile.key: profile for profile in authority.configuration.profiles()}
    if key not in found:
        raise BadInput([unknown_profile(key, found)])
    return found[key]


def text_of(profile: Profile, *, plain: bool = False) -> str:
    """Return a profile as a document that can be applied; `plain` escapes letters beyond ASCII."""
    import yaml  # noqa: PLC0415

    from evercert.authority.configuration.document_export import exported  # noqa: PLC0415

    return str(yaml.safe_dump(exported(profile), sort_keys=False, allow_unicode=not plain))


def read(sources: Sequence[Source], stored: Stored, stack: str) -> list[AuthorityDocument]:
    """Parse the documents and check them against each other and the configuration.

    Raise BadInput with one line per error.
    """
    from evercert.authority.configuration.document import AuthorityDocument, Known  # noqa: PLC0415
    from evercert.authority.configuration.document import read as read_one  # noqa: PLC0415

    policies = {key: policy.policy for key, policy in stored.policies.items()}
    documents, errors = [], []
    defined_in: dict[tuple[str, str], str] = {}
    for source in sources:
        elsewhere = [key for other in sources if other is not source for key in _keys(other.data)]
        known = Known(list(stored.families), [*stored.profiles, *elsewhere], policies, stored.retired)
        found = read_one(source.data, stack, known)
        if not isinstance(found, AuthorityDocument):
            placed = sorted((source.line(problem.path), problem.message) for problem in found)
            errors += [f"{source.file}:{line}: {message}" for line, message in placed]
            continue
        errors += [f"{source.file}: {problem}" for problem in _duplicate_families(found, stored.families)]
        documents.append(found)
        names = [("profile", one.key) for one in found.profiles] + [
            ("application", one.name) for one in found.applications
        ]
        for kind, name in names:
            if (first := defined_in.setdefault((kind, name), source.file)) != source.file:
                errors.append(f"{source.file}: duplicate {kind} {name}: already defined in {first}; remove one of them")
    if errors:
        raise BadInput(errors)
    return documents


def _duplicate_families(document: AuthorityDocument, families: Mapping[str, str]) -> Iterator[str]:
    """Yield a message per profile with two CAs of one key family: only the first would ever sign."""
    for profile in document.profiles:
        for kind in dict.fromkeys(families[name] for name in profile.cas):
            if len(same := [name for name in profile.cas if families[name] == kind]) > 1:
                yield f"profile {profile.key}: {', '.join(same)} all certify {kind} keys; keep one of them"


def _note_ocsp_responders(documents: Iterable[AuthorityDocument]) -> Iterator[str]:
    """Yield a note per profile that allows certificates of OCSP responders; the ceiling of the CA must, too."""
    for profile in (profile for document in documents for profile in document.profiles):
        rule = profile.policy.extended_key_usages
        if rule is not None and "ocsp_signing" in (*(rule.allowed or ()), *(rule.required or ())):
            yield f"profile {profile.key}: {OCSP_SIGNING_NOTE}"


def load_all(files: Sequence[str]) -> list[Source]:
    """Read the files; raise BadInput with the mistakes of all."""
    found, errors = [], []
    for file in dict.fromkeys(files):
        try:
            found.append(load(file))
        except Unreadable as error:
            errors.append(f"{file}:{error.line}: {error}" if error.line else f"{file}: {error}")
    if errors:
        raise BadInput(errors)
    return found


def _keys(data: object) -> list[str]:
    """Return the keys of the profiles that a document seems to have; `read` reports its errors."""
    entries = data.get("profiles") if isinstance(data, dict) else None
    mappings = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [f"{entry.get('project')}/{entry.get('slug')}" for entry in mappings]


def print_plan(console: Terminal, steps: Sequence[Step]) -> None:
    """Print the steps that change something, each with its differences."""
    marks = {"create": "+", "change": "~"}
    unchanged = 0
    for step in steps:
        if step.verb == "unchanged":
            unchanged += 1
            continue
        console.print(f"{marks[step.verb]} {step.kind} {step.name}")
        if step.before:
            show.differences(console, step.before, step.after)
    if unchanged == len(steps):
        console.print("nothing to change")
    if unchanged:
        console.print(f"{unchanged} unchanged")

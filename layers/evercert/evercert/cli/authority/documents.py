"""`apply`, `profiles` and `show`: policies, profiles and applications as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import terminal
from evercert.cli.authority import show
from evercert.cli.authority.arguments import no_profile
from evercert.cli.files import BadInput
from evercert.cli.source import Source, Unreadable, load
from evercert.cli.terminal import Json, Region, Stack
from evercert.pki.algorithms import family

if TYPE_CHECKING:
    from evercert.authority.configuration.document import AuthorityDocument
    from evercert.aws.authority.configuration_writer import AuthorityEstate
    from evercert.schema import Model

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Documents: authority/v1.")]
Key = Annotated[str, typer.Argument(metavar="PROFILE", help="project/slug")]


@dataclass(frozen=True)
class Step:
    """One thing that is written, and as what it was there before."""

    what: str
    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    thing: Model

    @property
    def verb(self) -> str:
        """What happens to it."""
        return "unchanged" if self.before == self.after else "change" if self.before else "create"


def apply(
    files: Files,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")] = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Make the authority offer what the documents say; what they do not name stays as it is."""
    sources = _sources(files)
    from evercert.cli.authority.connection import opened  # noqa: PLC0415 (AWS's library is slow to load)

    estate = opened(stack, region).estate
    steps = planned(estate, read(sources, estate, stack), stack)
    changing = [step for step in steps if step.verb != "unchanged"]
    if not as_json:
        _show(steps)
    if not dry_run:
        estate.write(*(step.thing for step in changing))
    if as_json:
        plain = [{"verb": step.verb, "what": step.what, "name": step.name} for step in steps]
        terminal.print_json({"steps": plain, "written": not dry_run})
    elif dry_run:
        terminal.out.print("nothing was written (--dry-run)")


def profiles(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """All profiles."""
    from evercert.cli.authority.connection import opened  # noqa: PLC0415

    found = opened(stack, region).estate.profiles()
    if as_json:
        terminal.print_json([_plain(profile) for profile in found])
    else:
        show.profiles(terminal.out, found)
        if not found:
            terminal.notes(["there are no profiles yet: evercert authority apply FILE makes them"])


def show_(key: Key, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """One profile: its CAs, defaults and policy."""
    from evercert.cli.authority.connection import opened  # noqa: PLC0415

    found = {profile.key: profile for profile in opened(stack, region).estate.profiles()}
    if key not in found:
        raise BadInput([no_profile(key, found)])
    if as_json:
        terminal.print_json(_plain(found[key]))
        return
    import yaml  # noqa: PLC0415

    text: str = yaml.safe_dump(_plain(found[key]), sort_keys=False, allow_unicode=True)
    terminal.out.print(text.rstrip())


def read(sources: Sequence[Source], estate: AuthorityEstate, stack: str) -> list[AuthorityDocument]:
    """All of them, checked against each other and what is there; raises BadInput with everything that is wrong."""
    from evercert.authority.configuration.document import AuthorityDocument, Known  # noqa: PLC0415
    from evercert.authority.configuration.document import read as read_one  # noqa: PLC0415

    families = {ca.name: family(ca.algorithm) for ca in estate.cas() if ca.kind == "issuing"}
    there = [profile.key for profile in estate.profiles()]
    documents, wrong = [], []
    where: dict[tuple[str, str], str] = {}
    for source in sources:
        elsewhere = [key for other in sources if other is not source for key in _keys(other.data)]
        found = read_one(source.data, stack, Known(list(families), [*there, *elsewhere]))
        if not isinstance(found, AuthorityDocument):
            placed = sorted((source.line(problem.path), problem.message) for problem in found)
            wrong += [f"{source.file}:{line}: {message}" for line, message in placed]
            continue
        wrong += [f"{source.file}: {problem}" for problem in _twice(found, families)]
        documents.append(found)
        names = [("profile", one.key) for one in found.profiles] + [
            ("application", one.name) for one in found.applications
        ]
        for named in names:
            if (first := where.setdefault(named, source.file)) != source.file:
                wrong.append(f"{source.file}: {named[0]} {named[1]} is in {first} too; leave one of them out")
    if wrong:
        raise BadInput(wrong)
    return documents


def _twice(document: AuthorityDocument, families: Mapping[str, str]) -> Iterator[str]:
    """Of two CAs for one family of keys, only the first would ever sign."""
    for profile in document.profiles:
        for kind in dict.fromkeys(families[name] for name in profile.cas):
            if len(same := [name for name in profile.cas if families[name] == kind]) > 1:
                yield f"profile {profile.key}: {', '.join(same)} all certify {kind} keys; leave one of them there"


def planned(estate: AuthorityEstate, documents: Iterable[AuthorityDocument], stack: str) -> list[Step]:
    """Projects first, because the others name them."""
    from evercert.authority.configuration.profiles import id_of  # noqa: PLC0415
    from evercert.aws.authority.configuration import Project  # noqa: PLC0415

    slugs = set(estate.projects().values())
    old: dict[tuple[str, str], Model] = {("project", slug): Project(id="", slug=slug) for slug in slugs}
    old |= {("profile", profile.key): profile for profile in estate.profiles()}
    old |= {("application", application.name): application for application in estate.applications()}
    wanted: dict[tuple[str, str], Model] = {}
    for document in documents:
        for slug in document.projects:
            if slug not in slugs:
                wanted["project", slug] = Project(id=id_of(stack, "project", slug), slug=slug)
        wanted |= {("profile", profile.key): profile for profile in document.profiles}
        wanted |= {("application", application.name): application for application in document.applications}
    order = {"project": 0, "profile": 1, "application": 2}
    return [
        Step(*named, _plain(old[named]) if named in old else {}, _plain(thing), thing)
        for named, thing in sorted(wanted.items(), key=lambda entry: (order[entry[0][0]], entry[0][1]))
    ]


def _sources(files: Sequence[str]) -> list[Source]:
    found, wrong = [], []
    for file in dict.fromkeys(files):
        try:
            found.append(load(file))
        except Unreadable as error:
            wrong.append(f"{file}:{error.line}: {error}" if error.line else f"{file}: {error}")
    if wrong:
        raise BadInput(wrong)
    return found


def _keys(data: object) -> list[str]:
    """Profiles that a document seems to have; what is wrong with them is told where it is read."""
    entries = data.get("profiles") if isinstance(data, dict) else None
    mappings = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [f"{entry.get('project')}/{entry.get('slug')}" for entry in mappings]


def _plain(thing: Model) -> dict[str, Any]:
    return thing.model_dump(mode="json", by_alias=True)


def _show(steps: Sequence[Step]) -> None:
    marks = {"create": "+", "change": "~"}
    unchanged = 0
    for step in steps:
        if step.verb == "unchanged":
            unchanged += 1
            continue
        terminal.out.print(f"{marks[step.verb]} {step.what} {step.name}")
        if step.before:
            show.differences(terminal.out, step.before, step.after)
    if unchanged == len(steps):
        terminal.out.print("nothing to change")
    if unchanged:
        terminal.out.print(f"{unchanged} unchanged")

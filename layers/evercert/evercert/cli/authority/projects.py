"""`project …`: create and list projects, which group policies, profiles, applications and identities."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from evercert.cli import terminal
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack
from evercert.schema import printable

_SLUG = re.compile(r"[a-z0-9-]{1,255}")
app = typer.Typer(
    no_args_is_help=True, help="Create and list projects, which group policies, profiles, applications and identities."
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the project.")],
    *,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Create a project to manage through the API. `authority apply` creates the projects of its documents."""
    if not _SLUG.fullmatch(name):
        message = f"invalid project name {printable(name, 80)!r}: use 1 to 255 lower-case letters, digits and hyphens"
        raise BadInput([message])
    from evercert.authority.configuration.profiles import id_of  # noqa: PLC0415
    from evercert.aws.authority.configuration import Project  # noqa: PLC0415

    authority = open_authority(stack, region)
    found = Project(id=id_of(authority.stack, "project", name), slug=name)
    new = authority.configuration.project(found.id) is None
    if new:
        authority.configuration.write(found)
    if as_json:
        terminal.print_json({"id": found.id, "project": name, "created": new})
        return
    terminal.out.print(f"{'created project' if new else 'unchanged: project'} {name}")
    terminal.out.print(f"project ID: {found.id}")
    permissions = "--permission request --permission read-key --permission administer"
    command = f"evercert authority identity create NAME --universal --profile '{name}/*' {permissions}"
    terminal.notes([f"to manage it through the API, run {command}"])


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List all projects with their IDs."""
    found = open_authority(stack, region).configuration.projects()
    rows = sorted((slug, project_id) for project_id, slug in found.items())
    if as_json:
        terminal.print_json([{"project": slug, "id": project_id} for slug, project_id in rows])
        return
    for slug, project_id in rows:
        terminal.out.print(f"{slug}  {project_id}")
    if not rows:
        terminal.notes(["no projects yet: run evercert authority project create NAME"])

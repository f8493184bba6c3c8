"""`evercert authority`: manage the stack's own certificate authority (docs/how-to/authority.md)."""

from __future__ import annotations

import typer

from evercert.cli.authority import (
    acme,
    cas,
    ceilings,
    changes,
    delete_ca,
    documents,
    eab,
    external,
    identities,
    init,
    inventory,
    issuances,
    projects,
    replace,
    requests,
    status,
)

app = typer.Typer(no_args_is_help=True, help="Manage the stack's own certificate authority.")
app.command()(init.init)
app.command()(status.status)
app.command()(status.audit)
app.command()(status.revoke)
cas.app.command()(replace.replace)
cas.app.command()(delete_ca.delete)
app.add_typer(cas.app, name="ca")
app.command()(ceilings.ceiling)
app.command()(documents.apply)
app.command()(documents.profiles)
app.command("show")(documents.show_)
app.command()(changes.changes)
app.command()(issuances.issuances)
app.command()(inventory.certificates)
app.add_typer(projects.app, name="project")
app.add_typer(identities.app, name="identity")
app.add_typer(requests.app, name="request")
app.add_typer(external.app, name="external")
app.add_typer(eab.app, name="eab")
app.add_typer(acme.app, name="acme")

"""The commands about CAs: `ca …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import crls, show
from evercert.cli.authority.arguments import ca_named, ca_title
from evercert.cli.authority.arguments import subject as subject_of
from evercert.cli.authority.lazy import hands_of, opened
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.connection import Opened

Name = Annotated[str, typer.Argument(metavar="NAME", help="The CA's name, such as issuing-ec.")]
CommonName = Annotated[
    str | None,
    typer.Option(help="What CAs are called, and each adds its own part; without it as the root is, or the stack."),
]
Organization = Annotated[str | None, typer.Option(help="Whose they are; without it, as the root says.")]
app = typer.Typer(no_args_is_help=True, help="CAs: their certificates, and whether they sign.")


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """All CAs, with the end of their certificates."""
    cas = opened(stack, region).estate.cas()
    if as_json:
        terminal.print_json([show.ca_values(ca) for ca in cas])
        return
    show.cas(terminal.out, cas, terminal.now())
    if not cas:
        terminal.notes(["there are no CAs yet: evercert authority init makes them"])


@app.command("show")
def show_(
    name: Name,
    *,
    pem: Annotated[bool, typer.Option("--pem", help="Its certificate and those above it, and nothing else.")] = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """One CA: key, certificates, ceiling."""
    ca = ca_named(opened(stack, region).estate, name)
    if pem:
        if not ca.installed:
            raise BadInput([f"CA {name} has no certificate yet: evercert authority ca csr {name}"])
        terminal.out.print((ca.current.certificate + ca.current.chain).rstrip())
    elif as_json:
        terminal.print_json(show.ca_values(ca))
    else:
        show.ca(terminal.out, ca)


@app.command()
def csr(
    name: Name,
    *,
    common_name: Annotated[str | None, typer.Option(help="Instead of the one that it has.")] = None,
    organization: Organization = None,
    stack: Stack = "evercert",
    region: Region = None,
) -> None:
    """A certificate request for an issuing CA, for a CA outside to sign; its answer goes to `ca import`."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415

    found = opened(stack, region)
    ca = _outside(found, name)
    title = f"{stack} {ca_title(name)}" if common_name is None else common_name
    subject = ca.current.x509.subject if ca.installed and common_name is None else subject_of(title, organization)
    terminal.out.print(ceremony.request(hands_of(found, quiet=True), ca, subject).rstrip())


@app.command("import")
def import_(
    name: Name,
    file: Annotated[str, typer.Argument(metavar="FILE", help="PEM: the CA's certificate, and all above it.")],
    *,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Give an issuing CA the certificate that a CA outside signed."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415
    from evercert.cli.authority.external_certificate import read  # noqa: PLC0415

    found = opened(stack, region)
    ca = _outside(found, name)
    hands = hands_of(found, quiet=as_json)
    certificate, chain = read(file, ceremony.public_key(hands, ca), hands.now)
    before, ca = ca, ceremony.installed(hands, ca, certificate, chain)
    if ca == before and not as_json:
        terminal.out.print(f"CA {name} has this certificate already")
    crls.published_first(found)
    if as_json:
        terminal.print_json(show.ca_values(ca))


@app.command()
def renew(
    name: Name,
    *,
    validity: Annotated[str | None, typer.Option(help="Instead of 20y for the root and 5y for others.")] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """A new certificate for the same key; whoever trusts the root notices nothing when it is an issuing CA's."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415

    found = opened(stack, region)
    ca, span = (
        ca_named(found.estate, name),
        arguments.span(validity or ("20y" if name == ceremony.ROOT else "5y"), "--validity"),
    )
    if not ca.installed:
        raise BadInput([f"CA {name} has no certificate yet; evercert authority init goes on where it stopped"])
    subject, hands = ca.current.x509.subject, hands_of(found, quiet=as_json)
    if ca.kind == "root":
        if not yes:
            arguments.confirm("Everybody who trusts the root has to be given its new certificate. Go on?")
        ca = ceremony.renewed_root(hands, ca, subject, span)
    else:
        root = found.estate.ca(ca.parent or "")
        if root is None:
            raise BadInput([f"CA {name} was certified outside: evercert authority ca csr {name}, then ca import"])
        ca = ceremony.renewed_issuing(hands, ca, root, subject, span)
    if as_json:
        terminal.print_json(show.ca_values(ca))


@app.command()
def enable(name: Name, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Let it sign again."""
    _set(name, "active", stack, region, as_json=as_json)


@app.command()
def disable(name: Name, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Keep it from signing certificates; its revocation lists go on, and what it has signed stays valid."""
    _set(name, "disabled", stack, region, as_json=as_json)


def _set(name: str, status: str, stack: str, region: str | None, *, as_json: bool) -> None:
    estate = opened(stack, region).estate
    ca = ca_named(estate, name)
    if ca.kind == "root":
        raise BadInput(["no function signs with the root, so there is nothing to disable: disable its key in KMS"])
    if not ca.installed:
        raise BadInput([f"CA {name} has no certificate yet, and so signs nothing"])
    if changed := ca.status != status:
        estate.write(ca.model_copy(update={"status": status}))
    if as_json:
        terminal.print_json({"name": name, "status": status, "changed": changed})
        return
    terminal.out.print(f"CA {name} is {status}" if changed else f"CA {name} was {status} already")


def _outside(found: Opened, name: str) -> CA:
    ca = ca_named(found.estate, name)
    if ca.kind == "root" or ca.parent is not None:
        raise BadInput(
            [f"CA {name} is certified by this authority's own root; CAs for one outside are made by init --no-root"]
        )
    return ca

"""The commands about CAs: `init`, `ca …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import show
from evercert.cli.authority.given import ca_named, ca_title, issuing_of
from evercert.cli.authority.given import subject as subject_of
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.errors import foreign

if TYPE_CHECKING:
    from evercert.authority.ca import CA
    from evercert.cli.authority.ceremony import Hands
    from evercert.cli.authority.opened import Opened

Name = Annotated[str, typer.Argument(metavar="NAME", help="The CA's name, such as issuing-ec.")]
CommonName = Annotated[
    str | None, typer.Option(help="What CAs are called in their certificates; each adds its own part.")
]
Organization = Annotated[str | None, typer.Option(help="Whose they are.")]
app = typer.Typer(no_args_is_help=True, help="CAs: their certificates, and whether they sign.")


def init(
    *,
    common_name: CommonName = None,
    organization: Organization = None,
    root_validity: Annotated[str, typer.Option(help="How long the root is valid.")] = "20y",
    issuing_validity: Annotated[str, typer.Option(help="How long issuing CAs are; never longer than the root.")] = "5y",
    no_root: Annotated[
        bool, typer.Option("--no-root", help="Issuing keys alone, for a CA outside to certify (ca csr, ca import).")
    ] = False,
    issuing: Annotated[
        list[str] | None,
        typer.Option(help="NAME=ALGORITHM of an issuing CA, such as issuing-ec-2=EC_prime256v1 (repeatable)."),
    ] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Make the authority's keys and certificates, whatever of them is not there yet."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415 (cryptography and AWS's library are slow to load)

    spans = arguments.span(root_validity, "--root-validity"), arguments.span(issuing_validity, "--issuing-validity")
    chosen = issuing_of(issuing) if issuing else ceremony.ISSUING
    wish = ceremony.Wish(common_name or stack, organization, *spans, outside=no_root, issuing=chosen)
    for name in (ceremony.ROOT, *dict(wish.issuing)):
        wish.subject(name)  # before anything is made
    found = _opened(stack, region)
    there = {ca.name for ca in found.estate.cas() if ca.key}
    if no_root and ceremony.ROOT in there:
        raise BadInput([f"stack {stack} has a root already, which certifies its issuing CAs: leave --no-root out"])
    keys = [
        name for name in ([] if no_root else [ceremony.ROOT]) + [name for name, _ in wish.issuing] if name not in there
    ]
    if keys and not yes:
        arguments.confirm(
            f"Make {arguments.counted(len(keys), 'KMS key')} ({', '.join(keys)})? Each costs about 1 USD a month."
        )
    hands = _hands(found, quiet=as_json)
    cas = ceremony.establish(hands, wish)
    ceremony.mended_policies(hands, cas)
    if as_json:
        terminal.print_json([show.ca_values(ca) for ca in cas])
        return
    for line in show.next_steps(cas):
        terminal.out.print(line)


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """All CAs, with the end of their certificates."""
    cas = _opened(stack, region).estate.cas()
    if as_json:
        terminal.print_json([show.ca_values(ca) for ca in cas])
        return
    show.cas(terminal.out, cas, terminal.now())


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
    ca = ca_named(_opened(stack, region).estate, name)
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

    found = _opened(stack, region)
    ca = _outside(found, name)
    title = common_name or f"{stack} {ca_title(name)}"
    subject = ca.current.x509.subject if ca.installed and common_name is None else subject_of(title, organization)
    terminal.out.print(ceremony.request(_hands(found, quiet=True), ca, subject).rstrip())


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
    from evercert.cli.authority.signed_outside import read  # noqa: PLC0415

    found = _opened(stack, region)
    ca = _outside(found, name)
    hands = _hands(found, quiet=as_json)
    certificate, chain = read(file, ceremony.public_key(hands, ca), hands.now)
    ca = ceremony.installed(hands, ca, certificate, chain)
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

    found = _opened(stack, region)
    ca, span = (
        ca_named(found.estate, name),
        arguments.span(validity or ("20y" if name == ceremony.ROOT else "5y"), "--validity"),
    )
    if not ca.installed:
        raise BadInput([f"CA {name} has no certificate yet; evercert authority init goes on where it stopped"])
    subject, hands = ca.current.x509.subject, _hands(found, quiet=as_json)
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
    estate = _opened(stack, region).estate
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


def _opened(stack: str, region: str | None) -> Opened:
    from evercert.cli.authority.opened import opened  # noqa: PLC0415 (AWS's library is slow to load)

    return opened(stack, region)


def _hands(found: Opened, *, quiet: bool) -> Hands:
    from evercert.cli.authority.ceremony import Hands  # noqa: PLC0415

    say = (lambda line: None) if quiet else (lambda line: terminal.out.print(foreign(line, 300)))  # noqa: ARG005
    return Hands(found.estate, found.key_making, found.keys, found.roles, found.address, terminal.now(), say)

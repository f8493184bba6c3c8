"""Commands about CAs: `ca …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import ca_page, crls, show
from evercert.cli.authority.arguments import build_subject, ca_named, ca_title
from evercert.cli.authority.lazy import ceremony_context, open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evercert.authority.ca.definition import CA
    from evercert.authority.ca.signing_orders import Revoked
    from evercert.cli.authority.connection import AuthorityConnection

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the CA, such as issuing-ec.")]
app = typer.Typer(no_args_is_help=True, help="Manage CAs: certificates and status.")


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List all CAs with the expiry of their certificates."""
    cas = open_authority(stack, region).configuration.cas()
    if as_json:
        terminal.print_json([show.ca_values(ca) for ca in cas])
        return
    show.cas(terminal.out, cas, terminal.now())
    if not cas:
        terminal.notes(["no CAs yet: run evercert authority init to create them"])


@app.command("show")
def show_(
    name: Name,
    *,
    pem: Annotated[bool, typer.Option("--pem", help="Print only the CA's certificate and its chain, in PEM.")] = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show one CA: key, certificates and ceiling."""
    ca = ca_named(open_authority(stack, region).configuration, name)
    if pem:
        if not ca.installed:
            raise BadInput([f"CA {name} has no certificate yet: run evercert authority ca csr {name}"])
        terminal.out.lines((ca.current.certificate + ca.current.chain).rstrip())
    elif as_json:
        terminal.print_json(show.ca_values(ca))
    else:
        ca_page.ca(terminal.out, ca)


@app.command()
def csr(
    name: Name,
    *,
    common_name: Annotated[
        str | None, typer.Option(help="Common name. Default: the current one, or the stack's and the CA's name.")
    ] = None,
    organization: Annotated[str | None, typer.Option(help="Organization of the CA.")] = None,
    stack: Stack = "evercert",
    region: Region = None,
) -> None:
    """Print the CSR of an issuing CA for an external CA to sign; install the result with `ca import`."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415

    authority = open_authority(stack, region)
    ca = _externally_certified(authority, name)
    title = f"{stack} {ca_title(name)}" if common_name is None else common_name
    subject = ca.current.x509.subject if ca.installed and common_name is None else build_subject(title, organization)
    terminal.out.lines(ceremony.build_csr(ceremony_context(authority, quiet=True), ca, subject).rstrip())


@app.command("import")
def import_(
    name: Name,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="PEM file: the CA's certificate, then its chain up to the root.")
    ],
    *,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Install a certificate that an external CA signed for an issuing CA."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415
    from evercert.cli.authority.external_certificate import read  # noqa: PLC0415

    authority = open_authority(stack, region)
    ca = _externally_certified(authority, name)
    context = ceremony_context(authority, quiet=as_json)
    certificate, chain = read(file, ceremony.public_key(context, ca), context.now)
    before, ca = ca, ceremony.install_external(context, ca, certificate, chain)
    if ca == before and not as_json:
        terminal.out.print(f"CA {name} has this certificate already")
    crls.publish_missing(authority)
    terminal.notes(list(ca_page.import_notes(ca, authority.configuration.cas())))
    if as_json:
        terminal.print_json(show.ca_values(ca))


@app.command()
def renew(
    name: Name,
    *,
    validity: Annotated[
        str | None, typer.Option(help="Validity of the new certificate. Default: 20y for the root, 5y for other CAs.")
    ] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Sign a new certificate for a CA's existing key. Clients that trust a root must install its new one."""
    from evercert.cli.authority import ceremony, root_crl  # noqa: PLC0415

    authority = open_authority(stack, region)
    ca, span = (
        ca_named(authority.configuration, name),
        arguments.span(validity or ("20y" if name == ceremony.ROOT else "5y"), "--validity"),
    )
    _require_certificate(ca)
    subject, context = ca.current.x509.subject, ceremony_context(authority, quiet=as_json)
    if ca.kind == "root":
        if not yes:
            terminal.confirm("Clients of the root need its new certificate before the old one expires. Renew it?")
        ca = ceremony.renew_root(context, ca, subject, span)
    else:
        root = authority.configuration.ca(ca.parent or "")
        if root is None:
            raise BadInput(
                [f"CA {name} is certified by an external CA: run evercert authority ca csr {name}, then ca import"]
            )
        root_crl.require_unrevoked(ca, root, authority.certificates)
        ca = ceremony.renew_issuing(context, ca, root, subject, span)
    crls.renew_root(authority, context, always=True)
    crls.copy_now(authority)
    if as_json:
        terminal.print_json(show.ca_values(ca))


@app.command()
def crl(
    *,
    revoke: Annotated[
        str | None, typer.Option(metavar="NAME", help="Issuing CA to revoke, with all its certificates.")
    ] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Sign a new CRL of the root, valid for a year. With `--revoke`, it names an issuing CA."""
    from evercert.cli.authority import ceremony, root_crl  # noqa: PLC0415

    authority = open_authority(stack, region)
    root, context = ca_named(authority.configuration, ceremony.ROOT), ceremony_context(authority, quiet=as_json)
    _require_certificate(root)
    entries: Sequence[Revoked] = ()
    if revoke is not None:
        ca = ca_named(authority.configuration, revoke)
        if ca.kind == "root" or ca.parent != root.id:
            raise BadInput([f"CA {revoke} is not certified by this authority's own root, so its list cannot name it"])
        if not yes:
            terminal.confirm(f"Revoke CA {revoke}? Clients refuse all its certificates. This cannot be undone.")
        entries = root_crl.entries_of(ca, context, "cACompromise")
        authority.configuration.write(ca.model_copy(update={"status": "disabled"}))
    signed = root_crl.sign_root_crl(context, authority.certificates, root, entries)
    crls.copy_now(authority)
    if as_json:
        ends = None if signed.next_update_utc is None else to_text(signed.next_update_utc)
        terminal.print_json({"name": root.name, "next_update": ends, "revoked": len(signed)})


@app.command()
def enable(name: Name, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Let a disabled or retired CA sign certificates again, unless it was revoked."""
    _set_status(name, "active", stack, region, yes=True, as_json=as_json)


@app.command()
def disable(
    name: Name, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Stop a CA from signing certificates. Its certificates stay valid and its CRLs are still published."""
    _set_status(name, "disabled", stack, region, yes=yes, as_json=as_json)


def _set_status(name: str, status: str, stack: str, region: str | None, *, yes: bool, as_json: bool) -> None:
    authority = open_authority(stack, region)
    configuration, ca = authority.configuration, ca_named(authority.configuration, name)
    if ca.kind == "root":
        raise BadInput(["cannot enable or disable the root: no function signs with it; disable its key in KMS"])
    if not ca.installed:
        raise BadInput([f"CA {name} has no certificate yet, so it signs nothing"])
    if status == "active":
        from evercert.cli.authority.root_crl import require_unrevoked  # noqa: PLC0415 (AWS's library is slow to load)

        require_unrevoked(ca, configuration.ca(ca.parent or ""), authority.certificates)
    changed = ca.status != status
    if changed and not yes:
        terminal.confirm(f"Disable CA {name}? It signs nothing until it is enabled again.")
    if changed:
        retired_at = None if status == "active" else ca.retired_at
        configuration.write(ca.model_copy(update={"status": status, "retired_at": retired_at}))
    if as_json:
        terminal.print_json({"name": name, "status": status, "changed": changed})
        return
    terminal.out.print(f"CA {name} is {status}" if changed else f"CA {name} was {status} already")


def _require_certificate(ca: CA) -> None:
    if not ca.installed:
        raise BadInput([f"CA {ca.name} has no certificate yet: run evercert authority init to resume where it stopped"])


def _externally_certified(authority: AuthorityConnection, name: str) -> CA:
    ca = ca_named(authority.configuration, name)
    if ca.kind == "root" or ca.parent is not None:
        message = f"CA {name} is certified by this authority's own root"
        raise BadInput(
            [f"{message}: run evercert authority init --no-root to create CAs for an external CA to certify"]
        )
    return ca

"""`identity …`: machines that may ask the authority for certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import arguments as given
from evercert.cli.authority import logins, show
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.configuration.identity import Identity
    from evercert.aws.authority.configuration_writer import AuthorityEstate

MOST_SECRETS = 10
Name = Annotated[str, typer.Argument(metavar="NAME", help="The identity's name.")]
Profiles = Annotated[list[str] | None, typer.Option("--profile", help="project/slug, or * for all (repeatable).")]
Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", help="request (if none is given), read-key, administer (repeatable)."),
]
SecretTtl = Annotated[str | None, typer.Option(help="How long the client secret lives, such as 90d; else without end.")]
Failures = Annotated[int, typer.Option(min=0, max=30, help="Wrong client secrets that lock the client id; 0: none do.")]
SecretUses = Annotated[int, typer.Option(min=0, help="How many logins it is good for; 0: without end.")]
app = typer.Typer(no_args_is_help=True, help="Machines that may ask for certificates.")


@app.command()
def create(
    name: Name,
    *,
    aws_role: Annotated[
        list[str] | None, typer.Option(help="ARN of a role or user that may log in (repeatable).")
    ] = None,
    foreign_clients: Annotated[
        bool,
        typer.Option("--foreign-clients", help="Accept AWS IAM logins of clients that sign no server id."),
    ] = False,
    universal: Annotated[bool, typer.Option("--universal", help="By client id and client secret.")] = False,
    profile: Profiles = None,
    permission: Permissions = None,
    token_ttl: Annotated[str, typer.Option(help="How long a token lives.")] = "1h",  # noqa: S107
    token_max_ttl: Annotated[str, typer.Option(help="How long it can be renewed.")] = "1d",  # noqa: S107
    token_uses: Annotated[int, typer.Option(min=0, help="How many calls it is good for; 0: without end.")] = 0,
    secret_ttl: SecretTtl = None,
    secret_uses: SecretUses = 0,
    lockout_failures: Failures = 3,
    lockout: Annotated[str, typer.Option(help="How long it is locked then.")] = "5m",
    lockout_window: Annotated[str, typer.Option(help="Within which wrong client secrets are counted.")] = "30s",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Make an identity, with the logins and the rights that are given."""
    from evercert.authority.configuration.identity import AWSLogin, Identity  # noqa: PLC0415

    given.name(name, "an identity")
    _check(bool(aws_role), universal, foreign_clients=foreign_clients, limited=bool(secret_ttl or secret_uses))
    ttl, longest = arguments.span(token_ttl, "--token-ttl"), arguments.span(token_max_ttl, "--token-max-ttl")
    if ttl > longest:
        raise BadInput([f"--token-ttl {token_ttl} is longer than --token-max-ttl {token_max_ttl}"])
    aws = None
    if aws_role:
        by_aws = {"principals": logins.principals(aws_role), "foreign-clients": foreign_clients}
        aws = AWSLogin.model_validate(by_aws)
    secret, kept = logins.secret(secret_ttl, secret_uses) if universal else (None, None)
    locks = logins.lockout(lockout_failures, lockout, lockout_window)
    login = logins.universal(kept, locks) if kept else None
    lives = {"token-ttl": ttl, "token-max-ttl": longest, "token-uses": token_uses}
    estate = _estate(stack, region)
    if estate.identity_named(name) is not None:
        raise BadInput([f"there is an identity {name!r} already; evercert authority identity show {name}"])
    grants = logins.grants(estate, profile, permission)
    made = Identity.model_validate(
        {"id": str(uuid4()), "name": name, "aws": aws, "universal": login, "grants": grants, **lives}
    )
    estate.write(made)
    _tell(made, secret, as_json=as_json)


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """All identities."""
    found = _estate(stack, region).identities()
    if as_json:
        terminal.print_json([show.identity_values(identity) for identity in found])
    else:
        show.identities(terminal.out, found)
        if not found:
            terminal.notes(["there are no identities yet: evercert authority identity create makes one"])


@app.command("show")
def show_(name: Name, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """One identity: how it logs in, and what it may do."""
    found = given.identity_named(_estate(stack, region), name)
    if as_json:
        terminal.print_json(show.identity_values(found))
    else:
        show.identity(terminal.out, found)


@app.command()
def grant(
    name: Name,
    *,
    profile: Profiles = None,
    permission: Permissions = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take away all that it may do with these profiles.")] = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Say what an identity may do with these profiles, instead of what it might before; others stay as they are."""
    if not profile:
        raise BadInput(["with which profiles? Give --profile project/slug, or --profile '*'"])
    if revoke and permission:
        raise BadInput(["--revoke takes all permissions away: give no --permission with it"])
    estate = _estate(stack, region)
    found = given.identity_named(estate, name)
    new = () if revoke else logins.grants(estate, profile, permission)
    grants = (*(one for one in found.grants if one.profile not in profile), *new)
    changed = found.model_copy(update={"grants": grants})
    if changed != found:
        estate.write(changed)
    _tell(changed, None, as_json=as_json)


@app.command()
def secret(
    name: Name,
    *,
    secret_ttl: SecretTtl = None,
    secret_uses: SecretUses = 0,
    revoke: Annotated[str | None, typer.Option("--revoke", metavar="SECRET-ID", help="Take one away instead.")] = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Make one more client secret for an identity, shown this once; those that have expired are dropped."""
    text, new = (None, None) if revoke is not None else logins.secret(secret_ttl, secret_uses)
    estate = _estate(stack, region)
    found = given.identity_named(estate, name)
    if found.universal is None:
        raise BadInput([f"identity {name} does not log in by client secrets; make another one with --universal"])
    now = terminal.now()
    kept = [one for one in found.universal.secrets if one.expires_at is None or one.expires_at > now]
    if revoke is not None and revoke not in {one.id for one in found.universal.secrets}:
        raise BadInput([f"identity {name} has no client secret {printable(revoke, 60)!r}"])
    kept = [one for one in kept if one.id != revoke]
    if len(kept) >= MOST_SECRETS and new is not None:
        raise BadInput([f"identity {name} has {len(kept)} client secrets: take one away with --revoke first"])
    login = found.universal.model_copy(update={"secrets": (*kept, *([new] if new is not None else []))})
    changed = found.model_copy(update={"universal": login})
    estate.write(changed)
    _tell(changed, text, as_json=as_json)


@app.command()
def delete(
    name: Name, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Its tokens are worth nothing from then on; certificates that it requested stay valid."""
    estate = _estate(stack, region)
    found = given.identity_named(estate, name)
    if not yes:
        arguments.confirm(f"Delete identity {name}? Whoever logs in as it cannot any more.")
    estate.remove(found)
    if as_json:
        terminal.print_json({"deleted": name})
    else:
        terminal.out.print(f"identity {name} is deleted")


def _check(by_aws: bool, universal: bool, *, foreign_clients: bool, limited: bool) -> None:  # noqa: FBT001
    if not by_aws and not universal:
        raise BadInput(["how does it log in? Give --aws-role, --universal, or both"])
    if foreign_clients and not by_aws:
        raise BadInput(["--foreign-clients is about logins by AWS: give --aws-role with it"])
    if limited and not universal:
        raise BadInput(["--secret-ttl and --secret-uses are about client secrets: give --universal with them"])


def _tell(found: Identity, text: str | None, *, as_json: bool) -> None:
    universal = found.universal
    shown = {"client_id": universal.client_id, "client_secret": text} if universal is not None and text else {}
    if as_json:
        terminal.print_json({**show.identity_values(found), **shown})
        return
    show.identity(terminal.out, found)
    if not found.grants:
        terminal.notes([f"it may do nothing: evercert authority identity grant {found.name} --profile PROJECT/SLUG"])
    if shown:
        terminal.out.print(f"client id: {shown['client_id']}\nclient secret: {text}")
        terminal.notes(["the client secret is shown this once, and kept by its hash alone"])


def _estate(stack: str, region: str | None) -> AuthorityEstate:
    from evercert.cli.authority.connection import opened  # noqa: PLC0415 (AWS's library is slow to load)

    return opened(stack, region).estate

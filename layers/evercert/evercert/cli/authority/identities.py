"""`identity …`: manage machine identities, their logins and grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import logins, show
from evercert.cli.authority.arguments import identity_named, require_name
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.configuration.identity import Identity
    from evercert.aws.authority.configuration_writer import ConfigurationWriter

MOST_SECRETS = 10
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the identity.")]
AwsRole = Annotated[list[str] | None, typer.Option(help="ARN of an AWS role or user that may log in (repeatable).")]
Universal = Annotated[bool, typer.Option("--universal", help="Create a login with client ID and client secret.")]
Profiles = Annotated[
    list[str] | None,
    typer.Option("--profile", help="Profile: project/slug, project/* for a whole project, or * for all (repeatable)."),
]
Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", help="Permission: request (default), read-key, administer, approve (repeatable)."),
]
SecretTtl = Annotated[
    str | None, typer.Option(help="Lifetime of the client secret, such as 90d. Default: it does not expire.")
]
Failures = Annotated[
    int, typer.Option(min=0, max=30, help="Failed logins that lock the client ID; 0 disables the lockout.")
]
SecretUses = Annotated[int, typer.Option(min=0, help="Logins that the client secret allows; 0 for no limit.")]
app = typer.Typer(no_args_is_help=True, help="Manage machine identities, which request certificates.")


@app.command()
def create(
    name: Name,
    *,
    aws_role: AwsRole = None,
    foreign_clients: Annotated[
        bool,
        typer.Option("--foreign-clients", help="Accept AWS IAM logins of clients that do not sign a server ID."),
    ] = False,
    universal: Universal = False,
    profile: Profiles = None,
    permission: Permissions = None,
    token_ttl: Annotated[str, typer.Option(help="Lifetime of a token.")] = "1h",  # noqa: S107
    token_max_ttl: Annotated[str, typer.Option(help="Longest lifetime of a token, renewals included.")] = "1d",  # noqa: S107
    token_uses: Annotated[int, typer.Option(min=0, help="Calls that a token allows; 0 for no limit.")] = 0,
    secret_ttl: SecretTtl = None,
    secret_uses: SecretUses = 0,
    lockout_failures: Failures = 3,
    lockout: Annotated[str, typer.Option(help="Duration of a lockout.")] = "5m",
    lockout_window: Annotated[str, typer.Option(help="Time window in which failed logins are counted.")] = "30s",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Create an identity with logins and permissions."""
    from evercert.authority.configuration.identity import AWSLogin, Identity  # noqa: PLC0415

    require_name(name, "identity")
    _check_logins(bool(aws_role), universal, foreign_clients=foreign_clients, limited=bool(secret_ttl or secret_uses))
    ttl, longest = arguments.span(token_ttl, "--token-ttl"), arguments.span(token_max_ttl, "--token-max-ttl")
    if ttl > longest:
        raise BadInput([f"--token-ttl {token_ttl} is longer than --token-max-ttl {token_max_ttl}"])
    aws = None
    if aws_role:
        settings = {"principals": logins.parse_principals(aws_role), "foreign-clients": foreign_clients}
        aws = AWSLogin.model_validate(settings)
    text, record = logins.create_secret(secret_ttl, secret_uses) if universal else (None, None)
    locks = logins.parse_lockout(lockout_failures, lockout, lockout_window)
    login = logins.universal_login(record, locks) if record else None
    lifetimes = {"token-ttl": ttl, "token-max-ttl": longest, "token-uses": token_uses}
    configuration = _configuration(stack, region)
    if configuration.identity_named(name) is not None:
        raise BadInput([f"identity {name!r} exists already: run evercert authority identity show {name}"])
    grants = logins.parse_grants(configuration, profile, permission)
    identity = Identity.model_validate(
        {"id": str(uuid4()), "name": name, "aws": aws, "universal": login, "grants": grants, **lifetimes}
    )
    configuration.write(identity)
    _print_identity(identity, text, as_json=as_json)


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List all identities."""
    found = _configuration(stack, region).identities()
    if as_json:
        terminal.print_json([show.identity_values(identity) for identity in found])
    else:
        show.identities(terminal.out, found)
        if not found:
            terminal.notes(["no identities yet: run evercert authority identity create to create one"])


@app.command("show")
def show_(name: Name, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Show one identity: logins and permissions."""
    found = identity_named(_configuration(stack, region), name)
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
    revoke: Annotated[bool, typer.Option("--revoke", help="Remove all permissions for these profiles.")] = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Set an identity's permissions for these profiles. Other profiles stay unchanged."""
    if not profile:
        raise BadInput(["no profiles given: add --profile project/slug, or --profile '*' for all"])
    if revoke and permission:
        raise BadInput(["--revoke removes all permissions: do not combine it with --permission"])
    configuration = _configuration(stack, region)
    found = identity_named(configuration, name)
    new = () if revoke else logins.parse_grants(configuration, profile, permission)
    grants = (*(one for one in found.grants if one.profile not in profile), *new)
    changed = found.model_copy(update={"grants": grants})
    if changed != found:
        configuration.write(changed)
    _print_identity(changed, None, as_json=as_json)


@app.command()
def roles(
    name: Name, *, aws_role: AwsRole = None, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Replace the AWS roles and users that log in as an identity; its id and permissions stay."""
    if not aws_role:
        raise BadInput(["no roles given: add --aws-role; to end all logins, delete the identity"])
    principals = tuple(logins.parse_principals(aws_role))
    configuration = _configuration(stack, region)
    found = identity_named(configuration, name)
    if found.aws is None:
        raise BadInput([f"identity {name} has no login with AWS IAM: create another identity with --aws-role"])
    changed = found.model_copy(update={"aws": found.aws.model_copy(update={"principals": principals})})
    configuration.write(changed)
    _print_identity(changed, None, as_json=as_json)


@app.command()
def secret(
    name: Name,
    *,
    secret_ttl: SecretTtl = None,
    secret_uses: SecretUses = 0,
    revoke: Annotated[
        str | None, typer.Option("--revoke", metavar="SECRET-ID", help="Delete this client secret instead.")
    ] = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Add a client secret to an identity, or delete one. A new secret is printed once. Expired ones are deleted."""
    text, new = (None, None) if revoke is not None else logins.create_secret(secret_ttl, secret_uses)
    configuration = _configuration(stack, region)
    found = identity_named(configuration, name)
    if found.universal is None:
        raise BadInput([f"identity {name} has no login with client secrets: create another identity with --universal"])
    now = terminal.now()
    valid = [one for one in found.universal.secrets if one.expires_at is None or one.expires_at > now]
    if revoke is not None and revoke not in {one.id for one in found.universal.secrets}:
        raise BadInput([f"identity {name} has no client secret {printable(revoke, 60)!r}"])
    valid = [one for one in valid if one.id != revoke]
    if len(valid) >= MOST_SECRETS and new is not None:
        raise BadInput([f"identity {name} has {len(valid)} client secrets: delete one with --revoke first"])
    login = found.universal.model_copy(update={"secrets": (*valid, *([new] if new is not None else []))})
    changed = found.model_copy(update={"universal": login})
    configuration.write(changed)
    _print_identity(changed, text, as_json=as_json)


@app.command()
def delete(
    name: Name, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Delete an identity and invalidate its tokens. Certificates that it requested stay valid."""
    configuration = _configuration(stack, region)
    found = identity_named(configuration, name)
    if not yes:
        terminal.confirm(f"Delete identity {name}? Its clients can no longer log in.")
    configuration.remove(found)
    if as_json:
        terminal.print_json({"deleted": name})
    else:
        terminal.out.print(f"deleted identity {name}")


def _check_logins(by_aws: bool, universal: bool, *, foreign_clients: bool, limited: bool) -> None:  # noqa: FBT001
    if not by_aws and not universal:
        raise BadInput(["no login given: add --aws-role, --universal, or both"])
    if foreign_clients and not by_aws:
        raise BadInput(["--foreign-clients needs --aws-role: it applies to AWS logins only"])
    if limited and not universal:
        raise BadInput(["--secret-ttl and --secret-uses need --universal: they apply to client secrets only"])


def _print_identity(found: Identity, text: str | None, *, as_json: bool) -> None:
    universal = found.universal
    credentials = {"client_id": universal.client_id, "client_secret": text} if universal is not None and text else {}
    if as_json:
        terminal.print_json({**show.identity_values(found), **credentials})
        return
    show.identity(terminal.out, found)
    if not found.grants:
        terminal.notes(
            [f"it has no permissions: run evercert authority identity grant {found.name} --profile PROJECT/SLUG"]
        )
    if credentials:
        terminal.out.print(f"client ID: {credentials['client_id']}")
        terminal.out.print(f"client secret: {text}")
        terminal.notes(["save the client secret now: it is not shown again, because only its hash is stored"])


def _configuration(stack: str, region: str | None) -> ConfigurationWriter:
    return open_authority(stack, region).configuration

"""Store the credentials of agent documents: try each at its issuer, write it, and only then remove its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from evercert.canonical_json import digest
from evercert.cli import terminal
from evercert.cli.files import BadInput, Files
from evercert.cli.issuer_context import allowed_hosts, issuer_context
from evercert.contracts.issuer import LoginCheck
from evercert.documents.secret_reference import CredentialFile
from evercert.errors import EvercertError, LoginRefused, Unavailable
from evercert.issuers import ISSUERS
from evercert.issuers.infisical.settings import HOSTED
from evercert.origins import Hosts, Origin

if TYPE_CHECKING:
    from evercert.aws.credential_writer import Verb
    from evercert.cli.connection import Connection
    from evercert.issuers.context import IssuerContext
    from evercert.registry import Component

OFFLINE = "to store it without a login, because the issuer is offline or reachable from the stack only"
LOGIN_LIMIT = timedelta(seconds=10)  # of one attempt
SHOWN = 3  # certificates in one message


def store(
    found: Files,
    verbs: Mapping[str, Verb],
    connection: Connection,
    *,
    check_login: bool,
    attempt_limit: timedelta = LOGIN_LIMIT,
) -> None:
    """Write the credentials of the documents; raise BadInput, and write nothing, if an issuer refuses one of them."""
    if check_login and any(verb != "unchanged" for verb in verbs.values()):
        context = issuer_context(connection, attempt_limit, found.credentials)
        try:
            terminal.notes(_try_logins(found, verbs, context, allowed_hosts(connection)))
        finally:
            context.http.close()
    connection.credential_secrets.write(found.credentials, verbs)


def require_stored(found: Files, connection: Connection) -> None:
    """Raise BadInput for each client secret whose file is gone and that no earlier `apply` stored."""
    missing = [
        f"{file}: client-secret: no such file on this host, and secret {name} does not exist; "
        "write a client secret to the file, and apply the document again"
        for name, file in found.stored_earlier.items()
        if not connection.credential_secrets.exists(name)
    ]
    if missing:
        raise BadInput(missing)


def _try_logins(found: Files, verbs: Mapping[str, Verb], context: IssuerContext, hosts: Hosts) -> list[str]:
    """Log in with each new credential and return notes; raise BadInput with all credentials that must not be stored.

    A credential that replaces another one must be accepted. A first one may be stored if its issuer does not answer.
    """
    problems, notes, tried = [], [], set()
    for name, definition in found.issuers.items():
        secrets = [secret for secret, verb in verbs.items() if verb != "unchanged" and secret in str(definition)]
        login = digest([definition.settings.get(key) for key in ("address", "auth", "ca-bundle")])
        if not secrets or login in tried:
            continue
        tried.add(login)
        who = _who(name, found)
        if not _may_call(definition, hosts):
            notes.append(f"{who}: the new credentials were not tried: IssuerHosts does not list the host")
            continue
        try:
            _check_login(definition, context)
        except LoginRefused as error:
            problems.append(f"{who}: the new credentials are not stored: {error}{_remains(secrets, verbs)}")
        except EvercertError as error:
            if isinstance(error, Unavailable) and all(verbs[secret] == "create" for secret in secrets):
                notes.append(f"{who}: stored without a login: {error}")
                continue
            untried = f"{who}: the new credentials could not be tried, and are not stored: {error}"
            problems.append(f"{untried}; {OFFLINE}, pass --no-login-check{_remains(secrets, verbs)}")
    if problems:
        raise BadInput(problems)
    return notes


def remove_files(files: Sequence[CredentialFile], connection: Connection) -> list[str]:
    """Delete the files whose content is stored now, as `remove-client-secret-on-read` requests; return notes."""
    by_path: dict[str, list[CredentialFile]] = {}
    for file in files:
        by_path.setdefault(file.path, []).append(file)
    return [_remove(path, uses, connection) for path, uses in by_path.items()]


def _remove(path: str, uses: Sequence[CredentialFile], connection: Connection) -> str:
    """Delete one file; it remains if a stored secret or the file itself differs from what was read."""
    try:
        stored = connection.credential_secrets.compare([use.credential for use in uses])
        names = ", ".join(stored)
        if set(stored.values()) != {"unchanged"}:
            return f"{path} was not deleted: secret {names} does not contain its value; apply the document again"
        file = Path(path)
        if file.is_symlink():
            return f"{path} was not deleted: it is a link; delete its target, because secret {names} has the value"
        if file.read_text("utf-8-sig").strip() != uses[0].text:
            return f"{path} was not deleted: its content has changed; apply the document again"
        file.unlink()
    except (EvercertError, OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return f"{path} was not deleted: {why}; delete it yourself if its value is stored"
    return f"{path} was deleted (remove-client-secret-on-read); secret {names} has its value"


def _check_login(definition: Component, context: IssuerContext) -> None:
    issuer = ISSUERS.load(definition.type)(ISSUERS.settings(definition), lambda: context)
    if isinstance(issuer, LoginCheck):
        issuer.check_login()


def _may_call(definition: Component, hosts: Hosts) -> bool:
    origin = Origin.of(definition.settings.get("address", HOSTED))
    return origin.is_loopback or hosts.allow(origin)


def _who(issuer: str, found: Files) -> str:
    """Name the issuer and its certificates."""
    names = [spec.name for spec in found.specs if issuer in spec.issuer_names]
    if not names:
        return f"issuer {issuer}"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"issuer {issuer} ({', '.join(names[:SHOWN])}{more})"


def _remains(secrets: Sequence[str], verbs: Mapping[str, Verb]) -> str:
    kept = [secret for secret in secrets if verbs[secret] == "change"]
    return f"; secret {', '.join(kept)} remains unchanged" if kept else ""

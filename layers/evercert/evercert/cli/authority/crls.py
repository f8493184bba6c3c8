"""Publish CRLs, and copy them and CA certificates, now through the front's function; the schedule does both daily."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from evercert.cli import terminal
from evercert.errors import EvercertError, Unavailable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.ceremony import CeremonyContext
    from evercert.cli.authority.connection import AuthorityConnection

TRIES = 2


def renew_root(authority: AuthorityConnection, context: CeremonyContext, *, always: bool = False) -> None:
    """Sign the root's CRL if it is missing or ends soon; on failure print a note."""
    from evercert.cli.authority.root_crl import renew_root_crl  # noqa: PLC0415 (AWS's library is slow to load)

    try:
        renew_root_crl(context, authority.certificates, always=always)
    except EvercertError as error:  # the CAs exist
        terminal.notes([f"the root has no current CRL: {error}; run evercert authority ca crl to sign it"])


def publish_missing(authority: AuthorityConnection) -> None:
    """Publish CRLs if an active CA has none: verifiers expect one from its first certificate on. Copy all files."""
    try:
        missing = any(
            _signs(ca) and authority.certificates.published(ca.id) is None for ca in authority.configuration.cas()
        )
    except EvercertError as error:  # the CAs exist, even if this operator may not read the table
        terminal.notes([f"cannot check whether every CA has a CRL: {error}"])
        return
    if missing:
        publish_now(authority)  # and copies
    else:
        copy_now(authority)


def publish_now(authority: AuthorityConnection) -> bool:
    """Invoke the front to publish all CRLs; on failure print a note and return False (the schedule follows)."""
    return _invoke(authority, "crl", "publish the CRLs", "publishes")


def copy_now(authority: AuthorityConnection) -> bool:
    """Invoke the front to copy CRLs and CA certificates to their bucket; on failure print a note and return False."""
    if "AuthorityBucket" not in authority.connection.outputs:
        return True  # the template of an earlier release has no bucket
    return _invoke(authority, "files", "copy CRLs and CA certificates to their bucket", "copies")


def _invoke(authority: AuthorityConnection, task: str, doing: str, later: str) -> bool:
    """Invoke a task of the front, once more if it fails: the first run may last until its signer has started."""
    failure: EvercertError | None = None
    for _ in range(TRIES):
        try:
            _invoke_once(authority, task, doing)
        except EvercertError as error:
            failure = error
        else:
            return True
    terminal.notes([f"{failure}; the schedule {later} them within a day"])
    return False


def _invoke_once(authority: AuthorityConnection, task: str, doing: str) -> None:
    from evercert.aws.clients import translated  # noqa: PLC0415 (AWS's library is slow to load)

    with translated(doing):
        answer = authority.clients.lambda_.invoke(
            FunctionName=authority.connection.output("AuthorityFunction"),
            Payload=json.dumps({"task": task}).encode(),
        )
    if "FunctionError" in answer:
        raise Unavailable(f"the authority could not {doing}: see the function's log")


def _signs(ca: CA) -> bool:
    return ca.kind == "issuing" and ca.status != "pending"

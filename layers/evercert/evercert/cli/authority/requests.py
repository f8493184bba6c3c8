"""`request …`: certificate requests that wait for an approval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import terminal
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.grid import Grid
from evercert.cli.terminal import Json, Region, Stack
from evercert.operations.escapes import visible
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.authority.contracts.records import RequestRecord
    from evercert.aws.clients import Clients
    from evercert.cli.authority.connection import AuthorityConnection

MOST = 1_000
RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="ID of the request.")]
Reason = Annotated[str, typer.Option("--reason", help="Reason, which the requester can read.")]
app = typer.Typer(no_args_is_help=True, help="List, approve and reject certificate requests that wait for an approval.")


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List the requests that wait for an approval, oldest first."""
    authority = open_authority(stack, region)
    with terminal.err.status("reading the requests"):
        found = waiting(authority)
    if as_json:
        terminal.print_json([values_of(authority, one) for one in found])
        return
    table = Grid("REQUEST", "NAMES", "PROFILE", "REQUESTER", "UNTIL", "APPROVED")
    for one in found:
        values = values_of(authority, one)
        table.add_row(
            one.id,
            visible(", ".join(values["names"]) or values["common_name"]),
            values["profile"],
            values["requester"],
            (values["until"] or "")[:16],
            f"{values['approved']} of {values['needed']}",
        )
    terminal.out.print(table)
    if not found:
        terminal.notes(["no requests wait for an approval"])


@app.command()
def approve(
    request: RequestId, *, reason: Reason = "", stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Approve a request. After the last approval, the authority signs within five minutes."""
    _decide(request, reason, stack, region, as_json=as_json, approved=True)


@app.command()
def reject(
    request: RequestId, *, reason: Reason = "", stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Reject a request; this is final."""
    _decide(request, reason, stack, region, as_json=as_json, approved=False)


def waiting(authority: AuthorityConnection) -> list[RequestRecord]:
    """Return the requests that wait for an approval, oldest first."""
    listed = [one.request for one in authority.certificates.waiting(MOST)]
    found = [one for one in authority.certificates.requests_by_id(listed) if one.status == "pending_approval"]
    return sorted(found, key=lambda one: one.created_at)


def caller(clients: Clients) -> str:
    """Return the ARN of the operator who runs the command, for the decision."""
    from evercert.aws.clients import translated  # noqa: PLC0415

    with translated("ask AWS STS who runs the command"):
        return str(clients.sts.get_caller_identity()["Arn"])


def _decide(request: str, reason: str, stack: str, region: str | None, *, as_json: bool, approved: bool) -> None:
    authority = open_authority(stack, region)
    decided = decide(authority, request, reason, approved=approved)
    values = values_of(authority, decided)
    if as_json:
        terminal.print_json(values)
        return
    terminal.out.print(f"{decided.id}: {state_of(decided)} ({values['approved']} of {values['needed']})")


def decide(authority: AuthorityConnection, request: str, reason: str, *, approved: bool) -> RequestRecord:
    """Approve or reject a request as the operator; raise BadInput if the authority refuses."""
    from evercert.authority.api_errors import Refusal  # noqa: PLC0415
    from evercert.authority.registration.access import uuid_of  # noqa: PLC0415
    from evercert.authority.registration.approvals import ApprovalDecisions  # noqa: PLC0415
    from evercert.authority.registration.approvers import Approver  # noqa: PLC0415

    found = uuid_of(request)
    if found is None:
        raise BadInput([f"invalid request {visible(request)!r}: run evercert authority request list"])
    operator = caller(authority.clients)
    decisions = ApprovalDecisions(
        authority.configuration, authority.certificates, terminal.now, lambda: authority.acme_requesters
    )
    act = decisions.approve if approved else decisions.reject
    try:
        return act(Approver.operator(operator), found, reason)
    except Refusal as refusal:
        raise BadInput([f"request {found}: {refusal}"]) from None


def state_of(request: RequestRecord) -> str:
    """Return the state of a request after a decision, for people."""
    states = {"pending_approval": "waits for more approvals", "pending": "approved"}
    return states.get(request.status, request.status)


def values_of(authority: AuthorityConnection, request: RequestRecord) -> dict[str, Any]:
    """Return a request as JSON values."""
    profile = authority.configuration.profile(request.profile)
    identity = authority.configuration.identity(request.identity)
    terms = request.approval
    return {
        "id": request.id,
        "status": request.status,
        "common_name": next(iter(request.leaf.subject.get("common_name", ())), ""),
        "names": [str(one) for one in request.leaf.names],
        "profile": request.profile if profile is None else profile.key,
        "requester": request.identity if identity is None else identity.name,
        "created_at": to_text(request.created_at),
        "until": None if terms is None else to_text(terms.until),
        "needed": 0 if terms is None else terms.needed,
        "approved": sum(one.approved for one in request.decisions),
        "decisions": [
            {"by": one.by_name, "at": to_text(one.at), "approved": one.approved, "reason": one.reason}
            for one in request.decisions
        ],
    }

"""Actions on one certificate: renew, pause, resume, roll back and delete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from evercert import durations
from evercert.console.context import Context, context_of
from evercert.console.forms import form_of, number, text
from evercert.console.rendering import page, redirect
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.revisions import RollbackRequest
from evercert.contracts.spec_store import Pause, PauseTarget, pauses_of
from evercert.errors import EvercertError, Misconfigured, Rejected
from evercert.operations import pause_notes
from evercert.operations import rollback as rollbacks
from evercert.operations.apply import nudge, remove
from evercert.operations.pauses import DelayedCertificates, expiring_before
from evercert.operations.renew import clean_reason, request_renewals
from evercert.schema import printable

NO_DELAY = timedelta()
Action = Callable[[Context, str, FormData], None]


def renew(request: Request) -> Response:
    """Request a renewal now."""

    def act(context: Context, name: str, form: FormData) -> None:
        services = context.services
        now, reason = services.clock(), clean_reason(text(form, "reason"))
        if not list(request_renewals([name], services.specs, now, NO_DELAY, reason)):
            raise Rejected(f"certificate {name} not found: it was deleted in the meantime")
        _nudge(context, name)
        context.session.tell("Renewal requested.")

    return _act(request, act)


def pause(request: Request) -> Response:
    """Pause the certificate, with an optional end."""

    def act(context: Context, name: str, form: FormData) -> None:
        services, now = context.services, context.services.clock()
        record = _require(context, name)
        if services.pause_refusal is not None:
            raise Misconfigured(services.pause_refusal)
        span = text(form, "for")
        try:
            until = None if not span else now + durations.parse(span)
        except (ValueError, OverflowError) as error:
            raise Rejected(f"invalid duration {printable(span, 60)!r}: write it as 8h or 2d") from error
        target = PauseTarget(certificate=name)
        if services.specs.pause(target, Pause(now, clean_reason(text(form, "reason")), until), now):
            end = "" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC, or "
            context.session.tell(f"Paused: nothing is issued {end}until you resume it.")
            if until is not None and isinstance(record, Record) and expiring_before([record], until):
                context.session.tell("It expires before the pause ends.", "note")
        else:
            context.session.tell("Already paused: nothing changed. To set another end, resume it first.", "note")

    return _act(request, act)


def resume(request: Request) -> Response:
    """Remove the pause, and start the run that it delayed."""

    def act(context: Context, name: str, _form: FormData) -> None:
        services, now = context.services, context.services.clock()
        if not services.specs.resume(PauseTarget(certificate=name)):
            context.session.tell("It was not paused.", "note")
            return
        record, rest = services.specs.record(name), services.specs.pauses(now)
        records = [record] if isinstance(record, Record) else []
        for delayed in DelayedCertificates.of(records, rest, now).woken:
            services.specs.wake(delayed, now, now)
            _nudge(context, delayed)
        context.session.tell("Resumed.")
        held = {target: rest[target] for one in records for target in pauses_of(one, rest)}
        for line, command in pause_notes.describe(held):
            context.session.tell(f"Still paused: {line}; to resume it, run: {command}", "note")

    return _act(request, act)


def confirm_rollback(request: Request) -> Response:
    """Show the certificate in use and the one to restore."""
    context = context_of(request)
    record = _readable(context, request.query_params.get("name", ""))
    plan = _rollback_plan(context, record, request.query_params.get("to", ""))
    return page(request, "rollback.html", {"record": record, "plan": plan})


def roll_back(request: Request) -> Response:
    """Request the rollback."""

    def act(context: Context, name: str, form: FormData) -> None:
        services, record = context.services, _readable(context, name)
        plan = _rollback_plan(context, record, text(form, "to"))
        if plan is None:
            context.session.tell("This revision is in use already.", "note")
            return
        rollbacks.require_active(record, services.specs.pauses(services.clock()))
        reason = clean_reason(text(form, "reason"))
        services.specs.request_rollback(
            record, RollbackRequest(to=plan.revision, requested_at=services.clock(), reason=reason)
        )
        _nudge(context, name)
        context.session.tell(f"Rollback to revision {plan.revision} requested.")

    return _act(request, act)


def confirm_delete(request: Request) -> Response:
    """Show what remains after the deletion."""
    context = context_of(request)
    record = _require(context, request.query_params.get("name", ""))
    remaining = [delivery.location for delivery in record.deliveries.values() if delivery.location]
    return page(request, "delete.html", {"record": record, "remaining": remaining})


def delete(request: Request) -> Response:
    """Delete the certificate from evercert, if its name was typed."""
    context, form = context_of(request), form_of(request)
    name = text(form, "name")
    if not name or text(form, "typed") != name:
        context.session.tell(f"Nothing was deleted: the typed name differs from {name}; type it exactly.", "error")
        return redirect(context, "/certificate/delete", name=name)
    record = context.services.specs.record(name)
    if record is None:
        context.session.tell(f"Certificate {name} not found; it may have been deleted in the meantime.", "note")
        return redirect(context, "/certificates")
    if isinstance(record, Unreadable) and record.newer:
        raise Rejected(f"cannot delete {name}: its record was {record.problem}; use that version")
    remove(record, context.services.specs)
    context.inventory.update(name)
    context.session.tell(f"{name} deleted; evercert will no longer renew it.")
    return redirect(context, "/certificates")


def _act(request: Request, action: Action) -> Response:
    """Run the action and return to the certificate; its error is shown there."""
    context, form = context_of(request), form_of(request)
    name = text(form, "name")
    try:
        action(context, name, form)
    except EvercertError as error:
        context.session.tell(str(error), "error")
    else:
        context.inventory.update(name)
    return redirect(context, "/certificate", name=name)


def _nudge(context: Context, name: str) -> None:
    error = nudge([name], context.services.queue)
    if error is not None:
        context.session.tell(f"{error}; the schedule starts the work at its next tick.", "note")


def _rollback_plan(context: Context, record: Record, asked: str) -> rollbacks.RollbackPlan | None:
    services, to = context.services, number(asked)
    if to is None:
        raise Rejected(f"invalid revision {printable(asked, 60)!r}: choose one on the page of the certificate")
    return rollbacks.plan(
        record,
        services.specs.kept(record),
        to,
        services.clock(),
        definitions=services.specs.issuers(),
        issuers=services.issuers,
    )


def _require(context: Context, name: str) -> Record | Unreadable:
    record = context.services.specs.record(name)
    if record is None:
        raise Rejected(f"certificate {name} not found; it may have been deleted in the meantime")
    return record


def _readable(context: Context, name: str) -> Record:
    record = _require(context, name)
    if isinstance(record, Unreadable):
        if record.newer:
            raise Rejected(f"the record of {name} was {record.problem}; run the console of that version")
        raise Rejected(f"the record of {name} does not parse ({record.problem}); apply its document again")
    return record

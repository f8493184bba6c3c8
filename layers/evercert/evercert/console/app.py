"""The console's application: its addresses, and what happens to errors."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from evercert.console.context import Context
from evercert.console.guard import MOST_FIELDS, Guard
from evercert.console.inventory import Inventory
from evercert.console.pages import (
    actions,
    authority,
    authority_document,
    authority_issuance,
    certificate,
    certificates,
    doctor,
    events,
    home,
    issuers,
)
from evercert.console.pages import new_certificate as new
from evercert.console.rendering import FOLDER, page
from evercert.console.services import Services
from evercert.console.session import Session
from evercert.errors import EvercertError, Misconfigured, Rejected, Unexpected

Handler = Callable[[Request], Response]
PAGES: dict[str, Handler] = {
    "/": home.show,
    "/certificates": certificates.show,
    "/certificate": certificate.show,
    "/certificate/chain.pem": certificate.chain,
    "/certificate/rollback": actions.confirm_rollback,
    "/certificate/delete": actions.confirm_delete,
    "/certificates/new": new.show,
    "/issuers": issuers.show,
    "/authority": authority.show,
    "/authority/requests": authority.requests,
    "/authority/ca": authority.plan_ca,
    "/authority/document": authority_document.show,
    "/authority/issued": authority.issued,
    "/authority/issued/chain.pem": authority.chain,
    "/events": events.show,
    "/events/more": events.more,
    "/doctor": doctor.show,
    "/doctor/check": doctor.check,
}
ACTION_PAGES: dict[str, Handler] = {
    "/authority/issue": authority_issuance.show,
    "/authority/issue/request": authority_issuance.show_request,
}
READ_ONLY_FORMS: dict[str, Handler] = {
    "/refresh": home.refresh,
    "/certificates/plan": new.plan,
    "/authority/plan": authority_document.plan,
}
ACTIONS: dict[str, Handler] = {
    "/certificate/renew": actions.renew,
    "/certificate/pause": actions.pause,
    "/certificate/resume": actions.resume,
    "/certificate/rollback": actions.roll_back,
    "/certificate/delete": actions.delete,
    "/certificates/apply": new.apply,
    "/authority/requests": authority.decide,
    "/authority/issue": authority_issuance.issue,
    "/authority/issue/request": authority_issuance.fetch,
    "/authority/apply": authority_document.apply,
    "/authority/revoke": authority.revoke,
}


def application(services: Services, session: Session, port: int) -> Starlette:
    """Return the application for this port. The actions do not exist with `read_only`."""
    pages = PAGES if services.read_only else {**PAGES, **ACTION_PAGES}
    forms = READ_ONLY_FORMS if services.read_only else {**READ_ONLY_FORMS, **ACTIONS}
    routes = [
        *(Route(path, _page(handler), methods=["GET"]) for path, handler in pages.items()),
        *(Route(path, _form(handler), methods=["POST"]) for path, handler in forms.items()),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]
    app = Starlette(
        routes=[Mount(session.path, routes=routes)],
        middleware=[Middleware(Guard, session=session, port=port)],
        exception_handlers={EvercertError: _error},
    )
    app.state.context = Context(services, session, Inventory(services))
    return app


def _page(handler: Handler) -> Handler:
    """Wrap the handler: turn unforeseen errors into an error page. Starlette runs it in a thread."""

    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except EvercertError:
            raise
        except Exception as error:  # noqa: BLE001 (its text may have a secret: only the place is shown)
            raise Unexpected.of(error) from None

    return answer


def _form(handler: Handler) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        async with request.form(max_fields=MOST_FIELDS, max_files=0) as form:
            request.state.form = form
            return await run_in_threadpool(_page(handler), request)

    return answer


def _error(request: Request, error: Exception) -> Response:
    """Return the error page: 409 if the request is rejected, else 502."""
    rejected = isinstance(error, Rejected)
    values = {"error": str(error), "credentials": isinstance(error, Misconfigured)}
    return page(request, "error.html", values, status=409 if rejected else 502)

"""The authority over HTTP on loopback: the function's entry point with doubles of AWS."""

from __future__ import annotations

import base64
import importlib.util
import json
import threading
import uuid
from collections.abc import Mapping
from http.client import HTTPMessage
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from evercert.authority.acme.server import AcmeServer
from evercert.authority.administration.routes import ROUTES as MANAGEMENT
from evercert.authority.administration.services import AdministrationServices
from evercert.authority.infisical_api.dispatcher import Api
from evercert.authority.infisical_api.services import Services
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.gateway import function_of
from tests.doubles.infisical.http_server import Answer, Dropped, Serving
from tests.doubles.infisical.switches import Fault, Switches, fits
from tests.tools.local_stack import ROOT

FUNCTION = ROOT / "functions" / "authority" / "app.py"
ADMINISTRATION = ROOT / "functions" / "administration" / "app.py"
CONTEXT = SimpleNamespace(
    function_name="authority",
    memory_limit_in_mb=1769,
    invoked_function_arn="arn:x",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 29_000,
)
_LOCK = threading.Lock()  # a Lambda execution environment handles one call at a time


def entry_point(front: Services, acme: AcmeServer | None = None) -> ModuleType:
    """Load the function module and wire it to this front, and to this ACME server."""
    module = _loaded("authority_app", FUNCTION)
    api = Api(front)
    module._services, module._api, module._acme = lambda: front, lambda: api, lambda: acme  # type: ignore[attr-defined]
    return module


def administration(services: AdministrationServices) -> ModuleType:
    """Load the administration function and wire it to these services."""
    module = _loaded("administration_app", ADMINISTRATION)
    api = Api(services)
    module._api = lambda: api  # type: ignore[attr-defined]
    return module


class Gateway:
    """API Gateway with both functions; each call goes to the function of its route."""

    def __init__(self, setting: Setting, front: ModuleType) -> None:
        self._functions = {"AuthorityFunction": front, "AdministrationFunction": administration(setting.administration)}

    def handler(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        method, path = event["requestContext"]["http"]["method"], event["rawPath"]
        return self._functions[function_of(method, path)].handler(event, context)  # type: ignore[no-any-return]


def _loaded(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event_of(
    method: str, target: str, headers: Mapping[str, str], body: bytes, *, encoded: bool = False
) -> dict[str, Any]:
    """Return an API Gateway event (payload 2.0): lower-case header names, decoded path."""
    url = urlsplit(target)
    found: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(url.path),
        "rawQueryString": url.query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "requestId": uuid.uuid4().hex,
            "stage": "$default",
            "http": {"method": method, "path": url.path, "sourceIp": "127.0.0.1"},
        },
        "isBase64Encoded": encoded,
    }
    if body:
        found["body"] = base64.b64encode(body).decode() if encoded else body.decode("utf-8", "surrogateescape")
    return found


class Authority:
    """A server at `address`, started by `with Authority() as server:`; `setting` has its doubles."""

    def __init__(self, clock: Any = None, **setting: Any) -> None:
        self.switches = Switches()
        self.calls: list[tuple[str, str]] = []
        self.logins: list[str] = []
        self._serving = Serving(self._answer)
        self.setting = Setting(clock, self.address, **setting)
        self._module = entry_point(self.setting.front, self.setting.acme)
        self._gateway = Gateway(self.setting, self._module)
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._stopped.set()
        self._serving.stop()
        for mistake in self._serving.mistakes:
            raise mistake from error

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._serving.port}"

    def _answer(self, method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        template = self._template(method, unquote(urlsplit(target).path))
        self.calls.append((method, template))
        fault = self.switches.next_fault(f"{method} {template}")
        if fault and (instead := self._instead(fault)):
            return instead
        with _LOCK:
            answer = self._gateway.handler(event_of(method, target, dict(headers.items()), body), CONTEXT)
        if template.endswith("-auth/login") and answer["statusCode"] == 200:
            self.logins.append(template.split("/")[-2].removesuffix("-auth"))
        if fault and fault.kind == "drop-after":
            raise Dropped
        text = answer.get("body", "")
        whole = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        sent = {**answer.get("headers", {})}
        for name, values in answer.get("multiValueHeaders", {}).items():
            sent[name] = values[-1]
        return answer["statusCode"], sent, whole

    def _template(self, method: str, path: str) -> str:
        """Return the route template, by which faults are configured; `?` for an unknown path."""
        for route in (*self._module.ROUTES, *MANAGEMENT):
            parts, given = route.template.split("/"), path.split("/")
            same = len(parts) == len(given) and all(
                part.startswith("{") or part == one for part, one in zip(parts, given, strict=True)
            )
            if same and method in route.methods:
                named = route.template.replace("{method}", given[4]) if "{method}" in route.template else route.template
                return str(named)
        return "?"

    def _instead(self, fault: Fault) -> Answer | None:
        match fault.kind:
            case "hang":
                self._stopped.wait(fault.seconds or 60)
                raise Dropped
            case "drop-before":
                raise Dropped
            case "status":
                later = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
                body = {"reqId": "x", "statusCode": fault.status, "message": "a fault", "error": "Fault"}
                return fault.status, {"Content-Type": "application/json", **later}, json.dumps(body).encode()
        return None

    def count(self, call: str) -> int:
        """Count calls whose "METHOD template" contains the text; a trailing `$` anchors it at the end."""
        return sum(fits(call, made) for made in map(" ".join, list(self.calls)))

"""Lambda: have the validator function read what a server serves."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import ValidationError

from evercert import json_parser
from evercert.aws.clients import translated
from evercert.contracts.probe import LARGEST_REPORT, ProbeReport, ProbeTarget
from evercert.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


class ValidatorClient:
    """Client of the validator function; an answer that is not one of its reports is an outage, for whatever reason."""

    def __init__(self, client: Callable[[], LambdaClient], function: str) -> None:
        self._client = client
        self._function = function

    def probe(self, target: ProbeTarget) -> ProbeReport:
        """Wait for the report; raise Unavailable, Misconfigured or OutOfTime."""
        doing = f"probe {target.host}"
        with translated(doing):
            answer = self._client().invoke(
                FunctionName=self._function, InvocationType="RequestResponse", Payload=write(target)
            )
            said = answer["Payload"].read(LARGEST_REPORT)
        if "FunctionError" in answer:
            raise Unavailable(f"cannot {doing}: the validator failed; read the log of the function")
        try:
            return ProbeReport.model_validate(json_parser.parse(said))
        except (ValidationError, ValueError):
            raise Unavailable(f"cannot {doing}: the validator's answer is not a report") from None


def write(target: ProbeTarget) -> bytes:
    """Return the payload of a probe."""
    order = {"host": target.host, "port": target.port, "server_name": target.server_name}
    return json.dumps({"probe": order}).encode()


def read(order: object) -> ProbeTarget:
    """Return the target that a payload names; raise ValueError for anything else."""
    if not isinstance(order, dict) or set(order) != {"host", "port", "server_name"}:
        raise ValueError('invalid probe: expected {"host": NAME, "port": NUMBER, "server_name": NAME}')
    host, port, name = order["host"], order["port"], order["server_name"]
    if not (isinstance(host, str) and type(port) is int and isinstance(name, str | None)):
        raise ValueError("invalid probe: host and server_name must be text, port a number")
    return ProbeTarget(host, port, name)

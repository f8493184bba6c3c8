"""DynamoDB: open the issuers that operators defined, from a table that the functions can only read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evercert.aws.clients import translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.pauses import PAUSE, pause_key, read_pause
from evercert.contracts.issuer import OpenIssuer, SelfIssuer
from evercert.contracts.read_beside import FoundBeside, Needs
from evercert.contracts.spec_store import STACK, PauseTarget
from evercert.deadline import Clock
from evercert.errors import Misconfigured, Unavailable
from evercert.registry import Component, Registry
from evercert.schema import first_problem

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from evercert.aws.dynamodb.beside_reader import DynamoDBBesideReader


class DynamoDBIssuers:
    """Opens issuers by the names that specs use."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        registry: Registry,
        context: Callable[[], object],
        clock: Clock,
        *,
        beside: DynamoDBBesideReader | None = None,
    ) -> None:
        """`context` makes the second argument of every issuer class; it is called when the first issuer needs it.

        `beside`: of the same region, so that one call can read its items too.
        """
        self._client = client
        self._table = table
        self._registry = registry
        self._context = context
        self._clock = clock
        self._beside = beside
        self._known: dict[str, tuple[Component, OpenIssuer]] = {}

    def open(self, name: str, certificate: str | None = None) -> OpenIssuer:
        """Read the definition and the pauses and return the issuer; the next run sees an edit.

        An unchanged definition returns the same issuer object, with its cached answers.
        """
        return self.open_beside(name, certificate, Needs())[0]

    def open_beside(self, name: str, certificate: str | None, needs: Needs) -> tuple[OpenIssuer, FoundBeside]:
        """Return what `open` returns, and what the run needs beside it, read in the same call.

        The breaker of the issuer is included if this process has opened it before. Nothing is returned beside it if
        DynamoDB leaves something out.
        """
        targets = [STACK, PauseTarget(issuer=name)]
        targets += [PauseTarget(certificate=certificate)] if certificate is not None else []
        keys = [f"issuer#{name}", *map(pause_key, targets)]
        services = dict.fromkeys([*needs.services, *self._service_of(name)])
        found, beside = self._read(name, keys, replace(needs, services=tuple(services)))
        if f"issuer#{name}" not in found:
            raise Misconfigured(f"issuer {name!r} is not defined; apply a document with it under `issuers:`")
        definition = read_definition(found[f"issuer#{name}"], name)
        known = self._known.get(name)
        if known is None or known[0] != definition:
            settings = self._registry.settings(definition, issuer=name)
            issuer = self._registry.load(definition.type)(settings, self._context)
            known = definition, OpenIssuer(issuer, self._registry.identity_hash(definition), name=name)
            self._known[name] = known
        pauses = [read_pause(item) for key, item in found.items() if key.startswith(PAUSE)]
        return replace(known[1], paused=not all(pause.ended(self._clock()) for pause in pauses)), beside

    def _service_of(self, name: str) -> list[str]:
        """Return the service of an issuer that this process has opened; self-signed issuers have no breaker."""
        known = self._known.get(name)
        return [] if known is None or isinstance(known[1].issuer, SelfIssuer) else [known[1].service]

    def _read(self, name: str, keys: Sequence[str], needs: Needs) -> tuple[dict[str, items.Item], FoundBeside]:
        """Read all keys, and what is needed beside them, in one call."""
        wanted: Any = {self._table: {"Keys": [{"pk": {"S": key}} for key in keys], "ConsistentRead": True}}
        if self._beside is not None:
            wanted |= self._beside.request(needs)
        with translated(f"read issuer {name}"):
            answer = self._client.batch_get_item(RequestItems=wanted)
        if self._table in answer.get("UnprocessedKeys", {}):
            raise Unavailable(f"cannot read issuer {name}: the table {self._table} is busy")
        found = {item["pk"]["S"]: item for item in answer.get("Responses", {}).get(self._table, [])}
        return found, FoundBeside() if self._beside is None else self._beside.found(needs, answer)


def read_definition(item: items.Item, name: str) -> Component:
    """Return the stored definition; raise Misconfigured if it does not parse."""
    try:
        return Component.model_validate(json.loads(items.plain(item)["definition"]))
    except ValidationError as error:
        raise Misconfigured(f"the definition of issuer {name!r} does not parse: {first_problem(error)}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Misconfigured(f"the definition of issuer {name!r} does not parse; apply it again") from error

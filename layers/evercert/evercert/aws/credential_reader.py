"""Read issuers' credentials from Secrets Manager and Parameter Store, each bound to one address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert import json_parser
from evercert.aws.clients import code, translated
from evercert.errors import Misconfigured
from evercert.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evercert.aws.clients import Clients
    from evercert.documents.secret_reference import Reference

_ABSENT = {"ResourceNotFoundException", "ParameterNotFound"}


class Credentials:
    """Reader of credentials without a cache: the next login uses a rotated secret.

    `offered`: texts of secrets by name that are not stored yet, for the check of a login.
    """

    def __init__(self, clients: Clients, offered: Mapping[str, str] | None = None) -> None:
        self._clients = clients
        self._offered = offered or {}

    def read(self, reference: Reference, address: str, *, key: str | None = None) -> Any:  # noqa: ANN401 (JSON)
        """Return the value of the reference's key, else of `key`; with neither, the whole object without its address.

        Raises Misconfigured if the value is missing or is for another origin than `address`. No message quotes a value.
        """
        value = _object(self._text(reference), reference)
        _check_address(value.pop("address", None), address, reference)
        wanted = reference.key or key
        if wanted is None:
            return value
        if wanted not in value:
            raise Misconfigured(f"{reference} has no key {wanted!r}; add it, or name another key after a #")
        return value[wanted]

    def passphrase(self, reference: Reference) -> str:
        """Return the value of the reference's key, else of `passphrase`.

        Raises Misconfigured for a missing value, and for a credential that is bound to an address: it is of an issuer.
        """
        value = _object(self._text(reference), reference, _UNBOUND)
        if "address" in value:
            raise Misconfigured(
                f"{reference} is a credential for an address; store the passphrase in an object of its own"
            )
        wanted = reference.key or "passphrase"
        if not isinstance(found := value.get(wanted), str):
            raise Misconfigured(f"{reference} has no text at key {wanted!r}; add it, or name another key after a #")
        return found

    def _text(self, reference: Reference) -> str:
        if reference.aws_secret is not None and reference.name in self._offered:
            return self._offered[reference.name]
        with translated(f"read {reference}"):
            try:
                if reference.aws_secret is not None:
                    secret = self._clients.secretsmanager.get_secret_value(SecretId=reference.name)
                    return secret.get("SecretString") or ""
                parameter = self._clients.ssm.get_parameter(Name=reference.name, WithDecryption=True)
                return parameter["Parameter"].get("Value") or ""
            except ClientError as error:
                if code(error) in _ABSENT:
                    raise Misconfigured(f"{reference} does not exist in this region; create it") from error
                raise


_BOUND = '{"address": "https://…", …}, which binds it to that address'
_UNBOUND = '{"passphrase": "…"}'


def _object(text: str, reference: Reference, form: str = _BOUND) -> dict[str, Any]:
    try:
        value = json_parser.parse(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Misconfigured(f"{reference} is not a JSON object; store {form}")
    return value


def _check_address(given: object, address: str, reference: Reference) -> None:
    wanted = Origin.of(address)
    if not isinstance(given, str):
        raise Misconfigured(f"{reference} is not bound to an address; add the key address: {wanted}")
    try:
        origin = Origin.of(given)
    except Misconfigured:
        # Quote neither the value nor the cause: the keys may be mixed up, and this may be the secret.
        raise Misconfigured(f"{reference}: invalid address; write {wanted}") from None
    if origin != wanted:
        raise Misconfigured(f"{reference} is for {origin}, so it is not sent to {wanted}")

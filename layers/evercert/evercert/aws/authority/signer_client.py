"""Lambda: invoke the signer function and wait for its answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evercert import json_parser
from evercert.authority.ca.signing_orders import CrlOrder, LeafOrder
from evercert.authority.signer.wire_format import decode_answer, encode_crl, encode_leaf
from evercert.aws.clients import translated
from evercert.errors import OutOfTime, Unavailable

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

LARGEST = 6 * 1_024 * 1_024  # bytes of a Lambda payload


class SignerFunction:
    """Client of the signer function; both calls are idempotent."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        self._client = client
        self._function = function

    def leaf(self, order: LeafOrder) -> bytes:
        """Return the DER; raise Refusal, Unavailable or Misconfigured."""
        return self._asked(encode_leaf(order), f"have certificate {order.id} signed")

    def crl(self, order: CrlOrder) -> bytes:
        """Return the DER; raise Refusal, Unavailable or Misconfigured."""
        return self._asked(encode_crl(order), f"have CRL {order.number} of CA {order.ca} signed")

    def _asked(self, order: dict[str, Any], doing: str) -> bytes:
        payload = json.dumps(order, separators=(",", ":")).encode()
        if len(payload) > LARGEST:
            raise Unavailable(f"cannot {doing}: the order has {len(payload)} bytes, and Lambda accepts {LARGEST}")
        try:
            with translated(doing):
                answer = self._client.invoke(
                    FunctionName=self._function, InvocationType="RequestResponse", Payload=payload
                )
                said = answer["Payload"].read(LARGEST + 1)
        except OutOfTime as error:  # no call was made, and the client can retry the order
            raise Unavailable(f"cannot {doing}: there is no time left to wait for the signer") from error
        if "FunctionError" in answer:  # ended from outside: its text is the runtime's, and says nothing to a client
            raise Unavailable(f"cannot {doing}: the signer was ended before it answered; look into its log")
        try:
            return decode_answer(json_parser.parse(said))
        except ValueError:
            raise Unavailable(f"cannot {doing}: the signer's answer is not JSON") from None

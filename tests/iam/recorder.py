"""Record the AWS calls of this process: who, operation, region and the parameters that decide about permissions.

The file imports nothing of the tests: function processes of the local stack load it by path (tests/stack/killer).
Values of secrets, keys, messages and items are not recorded.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any

HIDDEN = {
    "SecretString", "SecretBinary", "PrivateKey", "Plaintext", "CiphertextBlob", "Message", "MessageBody", "Payload",
    "Certificate", "CertificateChain", "Value", "Body", "MessageAttributes", "ReceiptHandle",
}  # fmt: skip
KEYS = ("pk", "sk")
PARTITION = re.compile(r"\S+ = (:\w+)")  # of a query, which names the partition key first
TAG_READERS = {"DescribeSecret", "ListTagsForCertificate", "ListResourceTags", "ListTagsForResource"}
ENTRY = "evercert-judge"
Record = dict[str, Any]

OURS = re.compile(r"/evercert/evercert/.*|/(functions/[a-z]+/app\.py)$|/python/evercert/.*")
calls: list[Record] = []  # of this process, unless a folder is given
_folders: list[str] = []
_assumed: set[str] = set()


def install(folder: str | None = None) -> None:
    """Record the calls of all botocore sessions created from now on, in `calls` or in a file of the folder."""
    from botocore import handlers

    _folders[:] = [folder] if folder else []
    mine = [("before-parameter-build", _asked), ("before-sign", _signed), ("after-call", _answered)]
    handlers.BUILTIN_HANDLERS.extend(one for one in mine if one not in handlers.BUILTIN_HANDLERS)


def _asked(params: Any, model: Any, context: Any, **_: Any) -> None:
    entry = {
        "at": time.time_ns(),
        "who": os.environ.get("EVERCERT_RECORDED_AS") or os.environ.get("POWERTOOLS_SERVICE_NAME", ""),
        "from": _callers(),
        "service": model.service_model.service_name,
        "operation": model.name,
        "region": context.get("client_region"),
        "params": _reduced(params),
        "valid": _is_valid(params, model),
    }
    if not entry["valid"]:  # it may end before it is signed
        entry["assumed"] = False
        _write(entry)
    context[ENTRY] = entry


def _is_valid(params: Any, model: Any) -> bool:
    """Whether botocore accepts the parameters; clients of functions do not ask."""
    from botocore.validate import ParamValidator

    shape = model.input_shape
    return shape is None or not ParamValidator().validate(params, shape).has_errors()


def _signed(request: Any, request_signer: Any, **_: Any) -> None:
    """Write the call at its first signature; retries sign it again."""
    entry = request.context.get(ENTRY)
    if entry is not None and "assumed" not in entry:
        entry["assumed"] = getattr(request_signer._credentials, "access_key", "") in _assumed
        _write(entry)


def _answered(parsed: Any, context: Any, **_: Any) -> None:
    entry = context.get(ENTRY)
    if entry is None or not isinstance(parsed, dict):
        return
    if key := _mapping(parsed, "Credentials").get("AccessKeyId"):
        _assumed.add(str(key))
    arn = parsed.get("ARN") or parsed.get("CertificateArn") or _mapping(parsed, "KeyMetadata").get("Arn")
    arn = arn if isinstance(arn, str) else None
    code = _mapping(parsed, "Error").get("Code", "?") if "Error" in parsed else ""
    answer = {
        "code": code,
        "arn": arn,
        "tags": parsed.get("Tags", parsed.get("TagList")) if entry["operation"] in TAG_READERS else None,
    }
    if not _folders:
        entry["answer"] = answer
    else:
        _write({"answers": entry["at"], **answer})


def _mapping(parsed: Record, name: str) -> Record:
    """Return an object of an answer, or an empty one: answers of test doubles may have any form."""
    found = parsed.get(name)
    return found if isinstance(found, dict) else {}


def _write(entry: Record) -> None:
    if not _folders:
        calls.append(entry)
        return
    with open(os.path.join(_folders[0], f"{os.getpid()}.jsonl"), "a") as file:  # noqa: PTH118, PTH123 (a cold start counts)
        file.write(json.dumps(entry) + "\n")


def _callers() -> list[str]:
    """Return the files of evercert and of functions that make the call, the nearest first."""
    found: list[str] = []
    frame = sys._getframe(2)
    while frame is not None:
        if match := OURS.search(frame.f_code.co_filename):
            name = match[0].rpartition("evercert/")[2] if match[1] is None else match[1]
            if not found or found[-1] != name:
                found.append(name)
        frame = frame.f_back
    return found


def _reduced(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        if name in ("Item", "ExpressionAttributeValues"):
            return {key: one if key in KEYS else None for key, one in value.items()}
        if "KeyConditionExpression" in value and (found := PARTITION.match(value["KeyConditionExpression"])):
            value = {**value, "Partition": value["ExpressionAttributeValues"].get(found[1])}
        hidden = HIDDEN - {"Value"} if "Key" in value else HIDDEN  # tags are no secrets
        return {str(key): "…" if key in hidden else _reduced(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_reduced(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else "…"

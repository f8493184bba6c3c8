"""Start the emulator with additional IAM condition keys, stricter ACM imports and failures of one process only.

Run this file by path with the local stack's interpreter; `--check` only checks that the emulator still has every name
that this file patches. The reasons are in docs/explanation/decisions/0007-launcher.md.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

NAMES = [
    ("ministack.app", "main"),
    ("ministack.core.iam_actions", "request_tag_context"),
    ("ministack.core.iam_actions", "extract_resource_arn"),
    ("ministack.core.iam_evaluator", "_resolve_condition_key"),
    ("ministack.core.lambda_runtime", "Worker"),
    ("ministack.core.responses", "error_response_json"),
    ("ministack.services.acm", "_certificates"),
    ("ministack.services.acm", "_get_local_certificate"),
    ("ministack.services.acm", "_import_certificate"),
    ("ministack.services.tagging", "_RESOURCE_TAG_COLLECTORS"),
]
Answer = tuple[int, dict[str, str], bytes]


def missing_names() -> list[str]:
    """Return the names that this version of the emulator lacks."""
    missing = []
    for module, name in NAMES:
        try:
            found = hasattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            found = False
        if not found:
            missing.append(f"{module}.{name}")
    return missing


def condition_keys(known: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Add the condition keys of KMS: encryption context, signing algorithm and message type."""

    def supplied(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        keys = known(service, iam_action, body, params)
        if service == "kms":
            keys |= _of_kms(iam_action.partition(":")[2], json.loads(body or b"{}"))
        return keys

    return supplied


def _of_kms(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    context = request.get("EncryptionContext") or {}
    keys: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    if context:
        keys["kms:EncryptionContextKeys"] = list(context)
    if operation in {"Sign", "Verify"}:
        keys["kms:SigningAlgorithm"] = request.get("SigningAlgorithm", "")
        keys["kms:MessageType"] = request.get("MessageType", "RAW")
    return keys


def caller_keys(known: Callable[..., Any]) -> Callable[..., Any]:
    """Resolve `aws:PrincipalArn` of a session to its role, as AWS does; the emulator uses the session.

    Signed calls count as calls over TLS (`aws:SecureTransport`), which the emulator does not serve.
    """

    def resolved(key: str, context: Any) -> Any:
        value = known(key, context)
        if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
            account, name = value.split(":")[4], value.split("/")[1]
            return f"arn:aws:iam::{account}:role/{name}"
        if key.lower() == "aws:securetransport" and str(context.principal_arn).startswith("arn:"):
            return "true"
        return value

    return resolved


def resource(known: Callable[..., str]) -> Callable[..., str]:
    """Authorize the first import into ACM on `certificate/*`, as AWS does; the emulator uses `*`."""

    def named(service: str, method: str, path: str, headers: Any, body: bytes, params: Any, *where: str) -> str:
        arn = known(service, method, path, headers, body, params, *where)
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if service == "acm" and arn == "*" and operation == "ImportCertificate":
            region, account = where
            return f"arn:aws:acm:{region}:{account}:certificate/*"
        return arn

    return named


def certificate_tags(certificates: Any) -> Callable[[], Iterator[tuple[str, list[dict[str, str]]]]]:
    """Return a collector of ACM tags, for the condition key `aws:ResourceTag`."""

    def collect() -> Iterator[tuple[str, list[dict[str, str]]]]:
        for arn, certificate in certificates.items():
            yield arn, [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in certificate.get("Tags", [])]

    return collect


def strict_import(acm: Any, refuse: Callable[..., Answer]) -> Callable[[dict[str, Any]], Answer]:
    """Refuse a repeated import with tags or with an unknown ARN, as AWS does."""
    known = acm._import_certificate

    def checked(request: dict[str, Any]) -> Answer:
        arn = request.get("CertificateArn")
        if arn and request.get("Tags"):
            return refuse("ValidationException", "Tags cannot be given when a certificate is imported again.", 400)
        if arn and acm._get_local_certificate(arn) is None:
            return refuse("ResourceNotFoundException", f"Could not find certificate {arn}.", 400)
        return known(request)

    return checked


def contained_failure(known: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Let a function process that cannot start fail alone, as on AWS.

    The emulator ends all processes of the function and removes their folders, also of those that are starting, which then
    fail for that reason: under load none starts for minutes ("No module named 'app'").
    """

    def invoke(worker: Any, *arguments: Any, **more: Any) -> dict[str, Any]:
        try:
            return known(worker, *arguments, **more)
        except Exception as error:  # noqa: BLE001 (as the emulator does)
            process, worker._proc = worker._proc, None
            if process is not None:
                process.kill()
            return {"status": "error", "error": str(error), "cold_start": True, "log": ""}

    return invoke


def install() -> None:
    """Apply all patches in this process."""
    from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses
    from ministack.services import acm, tagging

    iam_evaluator._resolve_condition_key = caller_keys(iam_evaluator._resolve_condition_key)
    iam_actions.request_tag_context = condition_keys(iam_actions.request_tag_context)
    lambda_runtime.Worker.invoke = contained_failure(lambda_runtime.Worker.invoke)
    iam_actions.extract_resource_arn = resource(iam_actions.extract_resource_arn)
    tagging._RESOURCE_TAG_COLLECTORS["acm"] = certificate_tags(acm._certificates)
    acm._import_certificate = strict_import(acm, responses.error_response_json)


if __name__ == "__main__":
    if missing := missing_names():
        sys.exit(f"the emulator lacks {', '.join(missing)}: update tests/tools/emulator.py, which patches these names")
    if sys.argv[1:] != ["--check"]:
        install()
        importlib.import_module("ministack.app").main()

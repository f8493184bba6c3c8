"""The layers are complete: functions import their modules from them, not from the emulator's packages."""

from __future__ import annotations

import io
import json
import uuid
import zipfile

import pytest

from tests.stack.conftest import Stack
from tests.tools.local_stack import ACCOUNT

PROBE = """
import importlib, sys

def handler(event, context):
    files = {}
    for name in event["modules"]:
        module = importlib.import_module(name)
        files[name] = getattr(module, "__file__", None) or list(module.__path__)[0]
    return {"files": files, "layers": __import__("os").environ["_LAMBDA_LAYERS_DIRS"].split(":")}
"""
MODULES = [
    "botocore",
    "cryptography",
    "httpx",
    "pydantic",
    "pydantic_core",
    "aws_lambda_powertools",
    "urllib3",
    "jmespath",
    "dateutil",
    "six",
    "certifi",
    "anyio",
    "idna",
    "h11",
    "httpcore",
    "typing_extensions",
    "annotated_types",
    "typing_inspection",
    "cffi",
    "pycparser",
    "evercert",
]


def test_third_party_modules_come_from_a_layer(stack: Stack) -> None:
    client = stack.client("lambda")
    deployed = client.get_function_configuration(FunctionName=stack.resource("IssuerFunction"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("probe.py", PROBE)
    name = f"probe-{uuid.uuid4().hex[:8]}"
    client.create_function(
        FunctionName=name,
        Runtime=deployed["Runtime"],
        Role=f"arn:aws:iam::{ACCOUNT}:role/{stack.resource('IssuerRole')}",
        Handler="probe.handler",
        Code={"ZipFile": archive.getvalue()},
        Layers=[layer["Arn"] for layer in deployed["Layers"]],
        Timeout=60,
    )
    answer = client.invoke(FunctionName=name, Payload=json.dumps({"modules": MODULES}))
    found = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, found
    for module, file in found["files"].items():
        assert any(file.startswith(layer) for layer in found["layers"]), (module, file)
    client.delete_function(FunctionName=name)


@pytest.mark.parametrize("package", ["cli", "console", "host"])
def test_layer_excludes_packages_that_run_elsewhere(stack: Stack, package: str) -> None:
    from tests.tools.local_stack import ROOT

    layer = ROOT / ".local" / "build" / "EvercertLayer" / "python" / "evercert"
    assert (layer / "issuance").is_dir()
    assert not (layer / package).exists()

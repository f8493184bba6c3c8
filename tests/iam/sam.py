"""template.yaml after SAM's transform, as CloudFormation receives it; the translator is that of the local stack."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.tools.local_stack import tool
from tests.tools.template import load_template

TRANSLATE = """
import json, os, sys
os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"
from types import SimpleNamespace
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
session = SimpleNamespace(region_name="eu-central-1")
parameters = json.loads(sys.argv[1])
print(json.dumps(Translator({}, Parser(), boto_session=session).translate(json.load(sys.stdin), parameters)))
"""
PLAIN = {"Ref", "Condition"}
FUNCTIONS = {"GetAtt", "Sub", "If", "Equals", "Not", "And", "Or", "Join", "Split", "Select", "FindInMap"}


def transformed(parameters: dict[str, str]) -> dict[str, Any]:
    """Return the template with CloudFormation resources instead of SAM's."""
    template = _long(load_template())
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = "s3://bucket/key"  # `sam package` uploads the folder
    done = subprocess.run(
        [tool("python"), "-c", TRANSLATE, json.dumps(parameters)],
        input=json.dumps(template),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _long(value: Any) -> Any:
    """Return the value with the long names of intrinsic functions, as in JSON."""
    if isinstance(value, list):
        return [_long(one) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "GetAtt" and isinstance(argument, str):
            return {"Fn::GetAtt": argument.split(".", 1)}
        if name in FUNCTIONS:
            return {f"Fn::{name}": _long(argument)}
    return {key: _long(one) for key, one in value.items()}

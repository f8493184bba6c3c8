"""Calls of other processes: functions on the local stack, and the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.iam.deployment import ARNS, Deployment
from tests.iam.facts import Record
from tests.tools.local_stack import ROOT
from tests.tools.template import load_template

CUSTOMIZED = ROOT / "tests" / "stack" / "killer"  # its sitecustomize.py installs the recorder


NAMED, NONE = {*ARNS, "AWS::IAM::Role", "AWS::S3::Bucket"}, {"Type": ""}


class CallLog:
    """A folder with one file for each process; `new` returns the calls since the last time."""

    def __init__(self, folder: Path) -> None:
        self.environment = {"PYTHONPATH": str(CUSTOMIZED), "EVERCERT_CALLS": str(folder)}
        self._folder = folder
        self._read: dict[str, int] = {}
        self._open: dict[tuple[str, int], Record] = {}

    def new(self) -> list[Record]:
        """Return answered calls, and those with wrong parameters at once; calls without an answer are kept until it arrives (never, if the process was killed)."""
        found = []
        for file in sorted(self._folder.glob("*.jsonl")):
            text = file.read_bytes()[self._read.get(file.name, 0) :]
            complete = text[: text.rfind(b"\n") + 1]
            self._read[file.name] = self._read.get(file.name, 0) + len(complete)
            for line in complete.splitlines():
                entry = json.loads(line)
                if not entry.get("valid", True):
                    found.append(entry)
                elif "answers" not in entry:
                    self._open[file.stem, entry["at"]] = entry
                elif (call := self._open.pop((file.stem, entry["answers"]), None)) is not None:
                    found.append({**call, "answer": {name: entry[name] for name in ("code", "arn", "tags")}})
        return found


def deployment_of(cloudformation: Any, stack: str) -> Deployment:
    """Return the deployment of a stack, with its parameters and the names of its resources."""
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}
    template = load_template()
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    names: Mapping[str, str] = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}
    return Deployment(
        {name: value for name, value in parameters.items() if name in template["Parameters"]},
        stack=stack,
        stack_id=found["StackId"],
        account=found["StackId"].split(":")[4],
        physical={
            name: value for name, value in names.items() if template["Resources"].get(name, NONE)["Type"] in NAMED
        },
    )

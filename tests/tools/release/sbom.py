"""The SBOM of a release (CycloneDX): the packages of the stack and of the command, with licenses and dependencies."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.tools.locks import COMMAND, LAYER
from tests.tools.release.programs import RELEASE, UV, run

PART = "evercert:part"
BOTH, ONLY_COMMAND = "stack and command", "command"


def write(sources: Path, file: Path, version: str, time: int) -> Path:
    """Install the locked packages of the command, which include those of the layer, and describe them."""
    with tempfile.TemporaryDirectory() as environment:
        python = Path(environment, "venv", "bin", "python")
        run(UV, "venv", "--quiet", "--python", sys.executable, python.parents[1], folder=sources)
        sync = ["pip", "sync", "--quiet", "--require-hashes", "--python", python, COMMAND]
        run(UV, *sync, folder=sources)
        describe = ["environment", python, "--pyproject", "pyproject.toml", "--output-reproducible", "--of", "JSON"]
        found = json.loads(run(RELEASE / "cyclonedx-py", *describe, folder=sources, SOURCE_DATE_EPOCH=str(time)))
    file.write_text(json.dumps(completed(found, version, (sources / LAYER).read_text()), indent=2) + "\n")
    return file


def completed(found: dict[str, Any], version: str, layer: str) -> dict[str, Any]:
    """Add the version, and the part of each package; raise ValueError if a package of the layer is missing."""
    found["metadata"]["component"]["version"] = version
    locked = dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", layer, re.MULTILINE))
    for component in found["components"]:
        name = re.sub(r"[-_.]+", "-", component["name"]).lower()
        in_layer = locked.pop(name, None) == component["version"]
        component.setdefault("properties", []).append({"name": PART, "value": BOTH if in_layer else ONLY_COMMAND})
    if locked:
        raise ValueError(f"packages of the layer missing in the SBOM: {', '.join(sorted(locked))}")
    return found

"""checkov over the template: each finding is fixed, or explained in checkov.toml."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.tools.local_stack import ROOT
from tests.tools.locks import UV
from tests.tools.peers import REQUIRED
from tests.tools.template import RESOURCES

VERSION = "3.3.30"
FEWEST = 50  # checks that pass; fewer mean that checkov did not read the template
EXPLAINED = tomllib.loads((Path(__file__).parent / "checkov.toml").read_text())["skip"]


def findings(folder: Path) -> set[tuple[str, str]]:
    """Return the failed checks with the logical ids of their resources, the authority's included."""
    copy, default = folder / "template.yaml", '  Authority:\n    Type: String\n    Default: "no"\n'
    text = (ROOT / "template.yaml").read_text()
    assert default in text
    copy.write_text(text.replace(default, default.replace("no", "yes")))
    command = [UV, "tool", "run", "--quiet", "--from", f"checkov=={VERSION}", "checkov", "--file", copy]
    options = ["--framework", "cloudformation", "--output", "json", "--quiet", "--compact", "--skip-download"]
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if not done.stdout:
        (pytest.fail if REQUIRED else pytest.skip)(f"checkov is not installed: {done.stderr.strip()[-300:]}")
    report = json.loads(done.stdout)
    results = [one for one in (report if isinstance(report, list) else [report]) if "results" in one]
    assert results and not any(one["summary"]["parsing_errors"] for one in results), done.stderr[-2000:]
    assert sum(one["summary"]["passed"] for one in results) > FEWEST
    return {
        (check["check_id"], check["resource"].rpartition(".")[2])
        for one in results
        for check in one["results"]["failed_checks"]
    }


@pytest.mark.peer("python3")
def test_every_finding_of_checkov_is_explained(tmp_path: Path) -> None:
    explained = {(one["check"], resource) for one in EXPLAINED for resource in one["resources"]}
    found = findings(tmp_path)
    assert not found - explained, "neither fixed nor explained in checkov.toml"
    assert not explained - found, "explained and no longer found: remove the entry"


def test_explanations_name_resources_of_the_template() -> None:
    for one in EXPLAINED:
        assert set(one["resources"]) <= set(RESOURCES), one
        assert len(one["reason"].split()) > 5, one

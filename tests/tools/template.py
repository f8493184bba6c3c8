"""template.yaml as plain values."""

from __future__ import annotations

from typing import Any

import yaml

from tests.tools.local_stack import ROOT


class _Template(yaml.SafeLoader):
    """Loader of CloudFormation short forms."""


_Template.add_multi_constructor(
    "!",
    lambda loader, suffix, node: {
        suffix: loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.SequenceNode)
        else loader.construct_mapping(node, deep=True)
    },
)


def load_template() -> dict[str, Any]:
    """Return template.yaml as plain values; `!Ref x` is {"Ref": "x"}."""
    return yaml.load((ROOT / "template.yaml").read_text(), Loader=_Template)

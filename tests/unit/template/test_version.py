"""The template repeats the version of the package, because its output tells the version of a stack."""

from evercert import __version__
from evercert.cli.stack_version import OUTPUT
from tests.tools.template import TEMPLATE


def test_output_is_the_version_of_the_package() -> None:
    found = TEMPLATE["Outputs"][OUTPUT]["Value"]
    assert found == __version__, f"template.yaml has {found}, evercert/__init__.py {__version__}: change both"

"""An Infisical server to test against: real HTTP, real keys, real certificates, written from the wire contract alone."""

from tests.doubles.infisical.configured_server import Planted
from tests.doubles.infisical.server import Infisical

__all__ = ["Infisical", "Planted"]

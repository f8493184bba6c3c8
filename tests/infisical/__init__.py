"""An Infisical server to test against: real HTTP, real keys, real certificates, written from the wire contract alone."""

from tests.infisical.planted import Planted
from tests.infisical.server import Infisical

__all__ = ["Infisical", "Planted"]

"""A server double of Infisical with real HTTP, keys and certificates, written from the API documentation only."""

from tests.doubles.infisical.configured_server import Planted
from tests.doubles.infisical.server import Infisical

__all__ = ["Infisical", "Planted"]

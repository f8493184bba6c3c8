"""An ACME issuer of evercert whose CA is evercert's own ACME server, over HTTP on loopback."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evercert.authority.validation.ports import Page
from evercert.authority.validation.validator import Validator
from tests.doubles.acme import AcmeBench
from tests.doubles.authority.acme_client import FakeNetwork
from tests.doubles.authority.server import Authority


class Bench(AcmeBench):
    """An issuer of the authority's directory; each challenge is validated when the client answers it."""

    def __init__(self, server: Authority, options: dict[str, Any], **settings: Any) -> None:
        self.setting = server.setting
        self.profile = self.setting.profile(acme={"eab": "optional", **options}, defaults={"ttlDays": 30})
        directory = f"{server.address}/api/v1/cert-manager/acme/profiles/{self.profile.id}/directory"
        super().__init__(directory=directory, **settings)
        self.network = FakeNetwork()
        self.network.load = self._load  # type: ignore[method-assign]
        self.network.texts = lambda name: [text.encode() for text in self.answers.texts(name)]  # type: ignore[method-assign]
        self.validator = Validator(
            self.setting.acme_orders, self.setting.validations, self.network, self.network, self.clock
        )

    def _load(self, url: str, within: timedelta, *, private: bool) -> Page:
        found = self.answers.answers.get(url.rpartition("/")[2])
        return Page(404, None, b"") if found is None else Page(200, None, found.encode())

    def sleep(self, span: timedelta) -> None:
        """Validate instead of waiting."""
        waiting, self.setting.validations.sent = self.setting.validations.sent, []
        for message, _ in waiting:
            self.validator.run(*message)

"""A Secrets Manager destination that fails a few times and then works."""

from __future__ import annotations

from typing import ClassVar

from evercert.contracts.destination import Delivered
from evercert.contracts.record import Delivery
from evercert.destinations.secrets_manager import SecretsManager
from evercert.errors import Unavailable
from evercert.pki.certificate import Bundle


class Flaky(SecretsManager):
    """Fails `left` more times, then delivers."""

    left: ClassVar[int] = 0

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        if Flaky.left > 0:
            Flaky.left -= 1
            raise Unavailable("the door sticks")
        return super().deliver(bundle, here)

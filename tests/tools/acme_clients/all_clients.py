"""All ACME clients that the tests run, in the order of the documentation."""

from __future__ import annotations

from tests.tools.acme_clients.acmetool import Acmetool
from tests.tools.acme_clients.certbot import Certbot, DebianCertbot
from tests.tools.acme_clients.client import Client
from tests.tools.acme_clients.commands import AcmeTiny, Dehydrated, Lego
from tests.tools.acme_clients.programs import AcmeLibrary, Acmez, Aioacme, Autocert, CertManager, Lacme, NodeLibrary
from tests.tools.acme_clients.servers import Apache, Caddy
from tests.tools.acme_clients.uacme import Uacme

CLIENTS: tuple[type[Client], ...] = (
    Certbot,
    DebianCertbot,
    Lego,
    Dehydrated,
    Uacme,
    Acmetool,
    AcmeTiny,
    Caddy,
    Apache,
    AcmeLibrary,
    Lacme,
    Aioacme,
    NodeLibrary,
    Autocert,
    Acmez,
    CertManager,
)

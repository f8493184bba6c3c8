"""Names of other kinds in the place of a host: distinguished names, Kerberos principals, URIs without `//`."""

from __future__ import annotations

import re

from evercert.pki.address_mistakes import Mistake, meaning
from evercert.pki.surrounding_text import is_full

_ATTRIBUTE = r"(?:CN|O|OU|C|ST|L|DC|UID|SERIALNUMBER|STREET|emailAddress)"
_DISTINGUISHED_NAME = re.compile(rf"/?\s*{_ATTRIBUTE}\s*=.*", re.IGNORECASE)
_COMMON_NAME = re.compile(r"(?:^|[,/;+])\s*CN\s*=\s*(?P<name>[^,/;+]+)", re.IGNORECASE)
_PRINCIPAL = re.compile(
    r"(?P<service>[\w.-]+)/(?P<host>[\w.-]+)(?::[0-9]+)?(?:/[\w.-]+)?@[\w.-]*|[A-Z0-9-]+\$@[A-Z0-9.-]+"
)
_SERVICE = re.compile(
    "afpserver|cifs|hdfs|host|https?|krbtgt|ldap|mssqlsvc|nfs|restrictedkrbhost|termsrv|vnc|wsman", re.IGNORECASE
)
_SERVICE_OR_PERSON = re.compile("dns|ftp|imap|kafka|pop|postgres|rpc|sip|smtp|xmpp", re.IGNORECASE)
_SPIFFE = re.compile(r"spiffe:/?(?P<rest>[^/\s].*)", re.IGNORECASE)
_BARE_URI = re.compile(r"(?:urn|tag|did|arn|sips?|xmpp|tel|acct):\S+", re.IGNORECASE)


def host_in_distinguished_name(value: str) -> Mistake | None:
    """Report `CN=www.example.com,O=Example` with a host as its common name."""
    found = _COMMON_NAME.search(value) if _DISTINGUISHED_NAME.fullmatch(value) else None
    name = "" if found is None else found["name"].strip()
    return meaning("is a distinguished name, not a host", name) if is_full(name) else None


def distinguished_name(value: str) -> Mistake | None:
    """Report `O=Example` and the like; as a common name this is other text."""
    if not _DISTINGUISHED_NAME.fullmatch(value):
        return None
    return Mistake("is a distinguished name, not a host", advice="write the host alone")


def is_principal(value: str) -> bool:
    """Return whether it is a Kerberos principal, such as `HTTP/www.example.com@REALM` or `WEB$@REALM`.

    Some e-mail addresses have a slash or a dollar sign: only a realm without a dot, a machine account in capitals, or a
    known service makes a principal; a service that may also be a mailbox needs a full host.
    """
    found = _PRINCIPAL.fullmatch(value)
    if found is None or found["service"] is None or "." not in value.rpartition("@")[2]:
        return found is not None
    service, host = found["service"], found["host"]
    return bool(_SERVICE.fullmatch(service) or (_SERVICE_OR_PERSON.fullmatch(service) and is_full(host)))


def principal(value: str) -> Mistake | None:
    """Report a Kerberos principal; as a common name this is other text."""
    found = _PRINCIPAL.fullmatch(value)
    if found is None or not is_principal(value):
        return None
    why = "is a Kerberos principal, a kind of name that evercert does not request"
    host = found["host"] or ""
    return meaning(why, *[host] * is_full(host), advice="write the DNS name of the host")


def bare_uri(value: str) -> Mistake | None:
    """Report `urn:uuid:…` and `spiffe:/…`: text without `//` is not recognized as a URI."""
    if (found := _SPIFFE.fullmatch(value)) is not None:
        return Mistake("is a SPIFFE id without //", (f"spiffe://{found['rest']}",))
    return Mistake("is a URI", (f"uri:{value}",)) if _BARE_URI.fullmatch(value) else None

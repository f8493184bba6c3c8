"""Cases of x509-limbo in which evercert's verdict differs on purpose, each with its one reason."""

from __future__ import annotations

REVOCATION = "evercert obtains a certificate before anyone can revoke it: no revocation data"
DEPTH = "depth limit not configured: the limit is 12 certificates for everyone"
ANCHOR = "a field of the trust anchor only, which its owner chose to trust (RFC 5280, section 6.1.1 d)"
BASELINE = "a rule of the CA/Browser Forum, which private CAs do not follow"
PRIVATE_NAME = "a name form of private CAs"
CA_AS_LEAF = "refused: evercert delivers no CA certificate to a service"
LAST_SECOND = "refused: OpenSSL refuses a certificate in the second of its notAfter"

DIFFERENCES: dict[str, str] = {
    "crl::crlnumber-critical": REVOCATION,
    "crl::crlnumber-missing": REVOCATION,
    "crl::issuer-missing-crlsign": REVOCATION,
    "crl::revoked-certificate-with-crl": REVOCATION,
    "pathlen::max-chain-depth-0-exhausted": DEPTH,
    "pathlen::max-chain-depth-1-exhausted": DEPTH,
    "pathlen::validation-ignores-pathlen-in-leaf": CA_AS_LEAF,
    "rfc5280::aki::cross-signed-root-missing-aki": ANCHOR,
    "rfc5280::ca-as-leaf": CA_AS_LEAF,
    "rfc5280::nc::invalid-dnsname-leading-period": ANCHOR,
    "rfc5280::nc::permitted-dns-match-noncritical": ANCHOR,
    "rfc5280::root-missing-basic-constraints": ANCHOR,
    "rfc5280::root-non-critical-basic-constraints": ANCHOR,
    "rfc5280::san::underscore-dns": PRIVATE_NAME,
    "rfc5280::ski::root-missing-ski": ANCHOR,
    "rfc5280::validity::notafter-exact": LAST_SECOND,
    "rfc5280::validity::notafter-fractional": LAST_SECOND,
    "webpki::aki::root-with-aki-all-fields": ANCHOR,
    "webpki::aki::root-with-aki-authoritycertissuer": ANCHOR,
    "webpki::aki::root-with-aki-authoritycertserialnumber": ANCHOR,
    "webpki::aki::root-with-aki-missing-keyidentifier": ANCHOR,
    "webpki::aki::root-with-aki-ski-mismatch": ANCHOR,
    "webpki::cn::case-mismatch": BASELINE,
    "webpki::cn::ipv4-hex-mismatch": BASELINE,
    "webpki::cn::ipv4-leading-zeros-mismatch": BASELINE,
    "webpki::cn::ipv6-non-rfc5952-mismatch": BASELINE,
    "webpki::cn::ipv6-uncompressed-mismatch": BASELINE,
    "webpki::cn::ipv6-uppercase-mismatch": BASELINE,
    "webpki::cn::not-in-san": BASELINE,
    "webpki::cn::punycode-not-in-san": BASELINE,
    "webpki::cn::utf8-vs-punycode-mismatch": BASELINE,
    "webpki::eku::ee-anyeku": BASELINE,
    "webpki::eku::ee-critical-eku": BASELINE,
    "webpki::eku::ee-without-eku": BASELINE,
    "webpki::eku::root-has-eku": BASELINE,
    "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf": BASELINE,
    "webpki::forbidden-rsa-not-divisible-by-8-in-root": BASELINE,
    "webpki::san::public-suffix-multi-label-wildcard-san": BASELINE,
    "webpki::san::public-suffix-private-namespace-wildcard-san": BASELINE,
    "webpki::san::san-critical-with-nonempty-subject": BASELINE,
}

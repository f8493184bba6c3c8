"""Tags and name prefixes by which evercert recognizes its own AWS resources."""

STACK_TAG = "evercert:stack"  # the name of the stack that owns a resource
CERTIFICATE_TAG = "evercert:certificate"
CA_TAG = "evercert:ca"
CA_ID_TAG = "evercert:ca-id"
TEMPORARY_TAG = "evercert:temporary"  # a queue of `evercert events`: when it was last used
SECRET_PREFIX = "evercert/certificates/"  # noqa: S105 (a name)


def tag_value(name: str) -> str:
    """Return a certificate's name for places that do not allow `*`: `*.example.com` becomes `_wildcard.example.com`."""
    return name.replace("*", "_wildcard")

"""Registration: from an authorized request to a signed certificate, its revocation list and its access rules."""

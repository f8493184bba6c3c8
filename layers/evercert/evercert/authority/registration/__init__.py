"""Registration: from an authorized request to a signed certificate, with access control and CRLs."""

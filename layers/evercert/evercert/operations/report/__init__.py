"""The report: one HTML page of all certificates that needs no script, no other file and no server."""

"""`make release`: the files of a release."""

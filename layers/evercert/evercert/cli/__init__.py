"""The command line: the same documents, records and events from a terminal."""


def main() -> None:
    """The `evercert` command."""
    from evercert.cli.app import run  # noqa: PLC0415 (its packages are an extra, and not in the layer)

    run()

"""The command line: the same documents, records and events from a terminal."""


def main() -> None:
    """The `evercert` command."""
    try:
        from evercert.cli.app import run  # noqa: PLC0415 (its packages are an extra, and not in the layer)

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None

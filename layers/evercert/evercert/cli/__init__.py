"""Command line: apply documents, and show records and events."""


def main() -> None:
    """Run the `evercert` command."""
    try:
        from evercert.cli.app import run  # noqa: PLC0415 (its dependencies are an extra and are missing in the layer)

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None

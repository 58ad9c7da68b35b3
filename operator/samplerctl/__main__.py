"""Entry point of ``samplerctl``, ``kubectl sampler`` and ``python -m samplerctl``."""

from samplerctl.app import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()

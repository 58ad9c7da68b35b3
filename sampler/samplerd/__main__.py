"""`python -m samplerd`."""

from samplerd.cli import make_app


def main() -> None:
    """Run the command line."""
    make_app()()


if __name__ == "__main__":
    main()

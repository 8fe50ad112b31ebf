"""Makes `python -m app` the same as the command `tallygate`."""

from app.cli import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="tallygate")


if __name__ == "__main__":
    main()

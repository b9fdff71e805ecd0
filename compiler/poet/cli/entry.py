"""Entry point of the `poet` command, also where the compiler is not installed."""

import sys

from poet_runtime.errors import CompilerMissingError, needs_compiler


def main() -> None:
    """Run the command line and exit with its status, or with 2 if the compiler is not installed."""
    try:
        with needs_compiler():
            from poet.cli import app  # noqa: PLC0415 -- imports click, which the base install does not have

            app.main()
    except CompilerMissingError as error:
        sys.stderr.write(f"poet: {error}\n")
        sys.exit(2)

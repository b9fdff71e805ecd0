"""The command line: parse arguments, call the library and print the result. It contains no decisions."""

from poet.cli.entry import main

__all__ = ["main"]

"""The command line. It parses, calls and prints; what is true is decided elsewhere."""

from poet.cli.entry import main

__all__ = ["main"]

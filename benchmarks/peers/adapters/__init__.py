"""One file a tool, run in the tool's own environment: how its documentation says it is asked for drift.

Each has `METHODS`: by name, a function that takes a reference and what is known of it, and gives the function
that is asked about a current sample. What is done once for a reference is done in the first, as far as the
tool offers it.
"""

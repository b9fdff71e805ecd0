"""One adapter per tool, run in the tool's own environment: drift detection as its documentation shows it.

Each adapter has `METHODS`: by name, a function that takes a reference and `SampleInfo` and returns the
function that compares a current sample. Work per reference is done in the first function, as far as the tool
allows it.
"""

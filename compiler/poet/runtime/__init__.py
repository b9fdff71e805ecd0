"""What generated policies call: read two samples, measure them, decide.

Import the modules by name (`poet.runtime.drift`, `poet.runtime.results`, …); this package imports none of
them, so that reading a result does not cost the import of numpy.
"""

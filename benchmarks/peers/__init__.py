"""Comparison of POET with other drift detectors: cost of calls and imports, and accuracy."""

"""Benchmark scripts that measure guarantees and costs, and the modules that they share."""

"""Versions for places without POET."""

from poet.export._standalone import standalone

__all__ = ["standalone"]

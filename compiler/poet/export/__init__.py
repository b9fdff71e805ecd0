"""Versions for places without POET: one file of Python, or another system's configuration."""

from poet.export._alertmanager import alertmanager
from poet.export._standalone import standalone

__all__ = ["alertmanager", "standalone"]

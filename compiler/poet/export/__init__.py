"""Published versions as configuration of other systems."""

from poet.export._alertmanager import alertmanager

__all__ = ["alertmanager"]

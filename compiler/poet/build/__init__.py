"""Engines that turn decisions into published versions, independent of any particular policy."""

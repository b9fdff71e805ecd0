"""Engines that turn decisions into published versions. None of them knows a policy."""

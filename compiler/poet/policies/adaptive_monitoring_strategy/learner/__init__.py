"""The learner of `adaptive_monitoring_strategy`."""

"""The policy `adaptive_monitoring_strategy`: its rules, its learner and its contract."""

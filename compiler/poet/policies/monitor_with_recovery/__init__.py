"""The policy `monitor_with_recovery`: its rules, its learner and its contract."""

"""The policy `detect_drift`: its rules, its learner and its contract."""

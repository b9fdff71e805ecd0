"""The learner of `detect_drift`."""

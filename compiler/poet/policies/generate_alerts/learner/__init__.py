"""The learner of `generate_alerts`."""

"""The policy `generate_alerts`: its rules, its learner and its contract."""

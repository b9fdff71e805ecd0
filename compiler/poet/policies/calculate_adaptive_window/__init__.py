"""The policy `calculate_adaptive_window`: its rules, its learner and its contract."""

"""The learner of `calculate_adaptive_window`."""

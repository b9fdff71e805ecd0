"""The policy `calculate_adaptive_window`: its rules, how it is learned, and what every version must keep."""

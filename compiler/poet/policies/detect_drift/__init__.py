"""The policy `detect_drift`: its rules, how it is learned, and what every version must keep."""

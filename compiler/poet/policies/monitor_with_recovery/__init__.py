"""The policy `monitor_with_recovery`: its rules, how it is learned, and what every version must keep."""

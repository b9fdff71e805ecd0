"""The policy `generate_alerts`: its rules, how it is learned, and what every version must keep."""

"""The runtime of generated policies: results, statistics, alerts, recovery and the version registry."""

"""Simulated worlds with known truth, one per policy."""

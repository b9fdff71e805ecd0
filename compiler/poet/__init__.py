"""Monitoring policies that learn from the people who answer their alerts."""

"""The built-in policies, one folder each."""

"""What contracts are written with: properties as Hypothesis tests, a boundary table, values to ask with."""

from poet.validate._contract import Broken, Contract, Heavy, Policy, demand, no_boundary_table
from poet.validate._values import numbers, texts

__all__ = ["Broken", "Contract", "Heavy", "Policy", "demand", "no_boundary_table", "numbers", "texts"]

"""What people read before they decide: plan, difference, explanation, status and report."""

"""Documents for human review: plans, diffs, explanations, status and reports."""

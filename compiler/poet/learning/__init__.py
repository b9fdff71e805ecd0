"""Code that all learners share: feedback rows, labels, costs, hypothesis tests and rule updates."""

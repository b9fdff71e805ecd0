"""The learner of `monitor_with_recovery`."""

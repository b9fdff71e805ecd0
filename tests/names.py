"""Short names of the built-in policies for tests."""

__all__ = ["ALERTS", "DRIFT", "IMPORTANCE", "RECOVERY", "STRATEGY", "WINDOW"]

DRIFT = "detect_drift"
WINDOW = "calculate_adaptive_window"
IMPORTANCE = "calculate_feature_importance"
ALERTS = "generate_alerts"
RECOVERY = "monitor_with_recovery"
STRATEGY = "adaptive_monitoring_strategy"

# The types of this workspace's policies, of the newest version of each. Written by poet.

from .adaptive_monitoring_strategy_v1 import adaptive_monitoring_strategy
from .calculate_adaptive_window_v1 import calculate_adaptive_window
from .calculate_feature_importance_v1 import calculate_feature_importance
from .detect_drift_v2 import detect_drift
from .generate_alerts_v1 import generate_alerts
from .monitor_with_recovery_v1 import monitor_with_recovery

__all__ = [
    "adaptive_monitoring_strategy",
    "calculate_adaptive_window",
    "calculate_feature_importance",
    "detect_drift",
    "generate_alerts",
    "monitor_with_recovery",
]

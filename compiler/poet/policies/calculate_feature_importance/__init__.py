"""The policy `calculate_feature_importance`: its rules, its learner and its contract."""

"""The learner of `calculate_feature_importance`."""

"""What production needs: results, statistics, alerts, recovery and the registry of versions."""

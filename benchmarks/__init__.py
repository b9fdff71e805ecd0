"""What is promised and what it costs, measured: scripts, and what they share."""

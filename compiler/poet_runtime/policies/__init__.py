"""What production knows of each policy, and nothing of how it is learned."""

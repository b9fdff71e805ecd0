"""Ways in and out for other tools, each optional."""

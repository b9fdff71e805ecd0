"""A workspace: a folder with poet.toml, templates, generated versions and the feedback log."""

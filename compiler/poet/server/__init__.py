"""`poet serve`: pages for people and an HTTP interface for machines."""

"""`poet serve`: pages for people and an HTTP interface for machines. A front door: it holds no logic."""

from poet.web._app import make_app
from poet.web._openapi import openapi
from poet.web._serve import serve
from poet.web._settings import Settings, read_secret

__all__ = ["Settings", "make_app", "openapi", "read_secret", "serve"]

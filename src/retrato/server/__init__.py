"""The studio over HTTP: the page, A1111's REST API and our own, one queue behind all of them."""

from retrato.server.app import create_app

__all__ = ["create_app"]

"""Serving a model: the web page."""

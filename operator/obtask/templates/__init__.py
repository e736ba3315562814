"""Owns templates outside of the API server: the catalogue that comes with the operator, and whether a template is any good."""

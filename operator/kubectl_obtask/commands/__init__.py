"""Owns the commands, one module each."""

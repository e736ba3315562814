"""Waits for a person."""

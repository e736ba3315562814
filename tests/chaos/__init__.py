"""Breaks the way between the operator and the API server at random, and looks for broken promises. Run: make chaos."""

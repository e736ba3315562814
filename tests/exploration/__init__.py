"""Explores every order of API calls, crashes and pauses of a few operators over a few tasks. Run: python -m tests.exploration."""

"""Owns `kubectl obtask`, the Task Center in the terminal: a plugin for kubectl, which is its only way to the cluster. API.md section 10."""

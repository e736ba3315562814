"""Measures the Task Center on a control plane of its own. Run: make bench-web."""

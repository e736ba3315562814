"""Measures the operator on a control plane of its own. Run: make bench."""

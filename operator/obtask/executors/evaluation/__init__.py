"""Evaluates expressions of tasks in a separate process with limits on CPU time and memory."""

"""Evaluating expressions of tasks in a process apart, where neither time nor memory is the operator's."""

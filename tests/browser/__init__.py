"""Looks at the Task Center as people do: a package, so that its browser ends with its last test."""

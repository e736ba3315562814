"""Owns the race against another controller of tasks with locks, by the same loads on the same machine."""

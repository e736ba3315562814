"""Owns what the page of one task is made of: which attempt it shows, its log, its commands, and what is said about it."""

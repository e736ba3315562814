"""Owns what the plugin says, in English and in Chinese: each text stands beside its translation, by topic."""

"""Owns how the documents are read: the site that they are built into, and the commands that stand in them."""

"""Owns what needs Rich or Textual: imported only where it is shown."""

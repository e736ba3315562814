"""Secrets in text: which words name one, where one stands in SQL, URLs, headers and JSON, and finding known values. Pure."""

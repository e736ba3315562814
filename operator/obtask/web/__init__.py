"""The Task Center: pages in the browser, each with the rights of whoever looks at it."""

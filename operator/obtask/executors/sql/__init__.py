"""The sql action: statements in order over one connection. API.md section 2.1."""

"""Connection Secrets: what they contain, what a task may override, and where their values may be sent. API.md section 2.1."""

"""The Secrets of connections: what they say, what a task may change of it, and where their values go. API.md section 2.1."""

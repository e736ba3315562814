"""What a task is: frozen values, no I/O. API.md sections 1 to 3."""

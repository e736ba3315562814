"""The resource action: an object changed as the task's service account, then watched. API.md section 2.1."""

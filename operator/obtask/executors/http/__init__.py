"""The http action: one request, then perhaps polling until its effect is visible. API.md section 2.1."""

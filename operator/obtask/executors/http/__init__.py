"""The http action: one request, then perhaps asking until its effect has arrived. API.md section 2.1."""

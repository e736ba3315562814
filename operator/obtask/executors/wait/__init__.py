"""The wait action: lets time pass. API.md section 2.1."""

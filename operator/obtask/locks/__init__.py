"""Mutual exclusion with Lease objects: who holds, who waits, taking and giving back. API.md section 4."""

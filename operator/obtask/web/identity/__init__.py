"""Who is looking: how a request becomes a visitor with credentials of their own."""

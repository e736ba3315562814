"""How to decide. Pure: no asyncio, no clock, no I/O, no logging."""

"""Targets that mean harm: SQL servers, HTTP servers and obshell agents, on 127.0.0.1 only. Shared by the attack suite and the soak.

``python -m tests.support.hostile`` starts them all in a process of their own, prints ``{name: port}`` as one line of JSON, and serves
until its standard input ends. ``targets.running()`` does that for a test.
"""

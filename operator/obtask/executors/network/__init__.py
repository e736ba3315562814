"""The network as tasks may use it: which hosts may be reached, over which sessions, and how much of an answer is held at once."""

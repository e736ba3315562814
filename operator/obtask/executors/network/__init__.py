"""Network access of tasks: which hosts may be reached, over which HTTP sessions, and how much of an answer is held in memory."""

"""One task, one turn: observe, decide, act, record."""

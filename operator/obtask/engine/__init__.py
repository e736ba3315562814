"""One reconcile of one task: observe, decide, act, record."""

"""The running operator: kopf's watches, the workers, start and stop."""

"""The one exception of this package: its text is meant to be printed alone."""


class DevClusterError(Exception):
    """Something in the local environment failed; the text says what, and what to do about it."""

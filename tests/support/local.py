"""Owns where actions under test may go: anywhere, and to the servers of tests on this machine, which by itself no action reaches."""

from obtask.hosts import HostPolicy

ALLOWED_HOSTS = ("0.0.0.0/0", "::/0", "127.0.0.0/8", "::1")
LOCAL = HostPolicy(ALLOWED_HOSTS)
ENVIRONMENT = {"OBTASK_ALLOWED_HOSTS": ",".join(ALLOWED_HOSTS)}

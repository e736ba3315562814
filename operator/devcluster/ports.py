"""Choose TCP ports on 127.0.0.1."""

import random
import socket
from collections.abc import Container

from devcluster.errors import DevClusterError

LOOPBACK = "127.0.0.1"

# Below the range from which Linux (32768) and macOS (49152) take the local port of outgoing connections:
# a port chosen here cannot be lost to a connection that somebody opens before the server binds it.
CANDIDATES = range(20000, 32000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: otherwise a port whose old connections are in TIME_WAIT looks taken for a minute after a restart.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(avoid: Container[int] = ()) -> int:
    """Return a port that nobody listens on; it is not reserved, so the caller must cope with losing it."""
    for port in random.sample(CANDIDATES, 200):
        if port not in avoid and is_free(port):
            return port
    raise DevClusterError(f"no free port on {LOOPBACK} between {CANDIDATES.start} and {CANDIDATES.stop}; stop some servers and try again")


def wanted_port(port: int) -> int:
    """Return the port a person asked for, or say who to blame if it is taken."""
    if is_free(port):
        return port
    raise DevClusterError(f"port {port} on {LOOPBACK} is taken; free it (see `ss -ltnp`), or leave the choice to obtask")

"""Name the files, the addresses and the images of a node. Pure."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevClusterError

# These exist in the network namespace of the node only; so two nodes can have the same ones.
ADDRESS = "172.30.213.2"
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
API_PORT = 6443

PAUSE = "localhost/obtask-node/pause:1"
COREDNS = "localhost/obtask-node/coredns:1"

# What the kernel allows for the path of a socket.
LONGEST_SOCKET = 107


@dataclass(frozen=True, slots=True)
class Node:
    """One node: where its state, its logs and its programs are."""

    state: Path
    logs: Path
    programs: Path

    def __post_init__(self) -> None:
        """Refuse a folder that would make every connection fail later."""
        if len(str(self.socket)) > LONGEST_SOCKET:
            raise DevClusterError(f"{self.state} is too long a path for a socket in it; give a shorter one with --state")

    @property
    def name(self) -> str:
        """The name of the node and of its cgroups; another folder is another node."""
        return f"obtask-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def bin(self) -> Path:
        """Links to the programs that people need."""
        return self.state / "bin"

    @property
    def run(self) -> Path:
        """One record for each process outside the node's namespaces."""
        return self.state / "run"

    @property
    def socket(self) -> Path:
        """The only way into the node's network: the API server."""
        return self.state / "api.sock"

    @property
    def api_ready(self) -> Path:
        """Tells the node that what needs the API server can start."""
        return self.state / "api.ready"

    @property
    def complete(self) -> Path:
        """Tells that the start of the node came to its end."""
        return self.state / "complete"

    @property
    def kubeconfig(self) -> Path:
        """The admin's way to the API server, through a port on 127.0.0.1."""
        return self.state / "kubeconfig"

    @property
    def log(self) -> Path:
        """What the node's first process says."""
        return self.logs / "node.log"

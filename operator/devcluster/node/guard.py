"""Remove a node when the process that wanted it has ended, however it ended: python -m devcluster.node.guard RUN_FOLDER."""

import sys
from pathlib import Path

from devcluster.node.layout import Node
from devcluster.node.lifecycle import down

# The lock on the node is inherited: the next command waits until this is done.
if __name__ == "__main__":
    sys.stdin.buffer.read()
    state = Path(sys.argv[1]).parent
    # What ends a node is in its state folder.
    down(Node(state, logs=state, programs=state))

"""End background processes together with the process that wanted them, even if that one is killed.

It is a program of its own: python -m devcluster.leash RUN_FOLDER. It waits for the end of its standard input, which comes
when the process at the other end of the pipe ends, however it ends.
"""

import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import processes


@contextmanager
def leash(run: Path, program: str = "devcluster.leash", keep: Collection[int] = ()) -> Iterator[None]:
    """Stop what is recorded in the folder `run` when the block ends, or when this process dies inside it.

    `program` is the module that then does it: another one for those who leave more than processes. It inherits the files `keep`.
    """
    words = [sys.executable, "-m", program, str(run)]
    # Its own session: a Ctrl-C for us must not end it before it has done its work.
    with subprocess.Popen(  # noqa: S603 - all words are ours
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=tuple(keep)
    ):
        try:
            yield
        finally:
            processes.stop(processes.recorded(run))


if __name__ == "__main__":
    sys.stdin.buffer.read()
    processes.stop(processes.recorded(Path(sys.argv[1])))

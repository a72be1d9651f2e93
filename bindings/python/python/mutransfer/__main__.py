"""The program `mutransfer`: every command that needs no model to train."""

from __future__ import annotations

import signal
import sys

from mutransfer import _core


def main() -> int:
    """Runs it with the arguments of this process, and gives its exit code."""
    # Python would only take note of Ctrl-C, and go on once the command is done.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _core.main(["mutransfer", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

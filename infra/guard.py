"""`python -m infra.guard FD -- COMMAND...`: runs a command and ends it when FD's other end is closed.

For programs that are not ours and would outlive a killed supervisor.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys


def main() -> int:
    """Run until the command ends, a signal comes, or the supervisor is gone."""
    fd, command = int(sys.argv[1]), sys.argv[3:]
    process = subprocess.Popen(command)

    def end(number: int, frame: object) -> None:
        process.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while process.poll() is None:
        readable, _, _ = select.select([fd], [], [], 0.2)
        if readable and not os.read(fd, 1):
            process.terminate()
            break
    try:
        return process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())

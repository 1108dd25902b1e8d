"""Makes sure that `.venv` matches requirements.lock, then becomes `python -m infra.cli`.

Standard library only. The usual run compares one hash, asks no network and takes a few hundredths of a second.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before anything below fails to import
    sys.exit("shadowtwin needs Python 3.11 or newer; this is " + sys.version.split()[0] + " at " + sys.executable)

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STATE = ROOT / ".shadowtwin"
STAMP = "shadowtwin-stamp"


def expected_stamp() -> str:
    """What a finished environment carries: it fits this lock, this Python and this place (its scripts name it)."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return f"sha256:{digest} python:{sys.version_info[0]}.{sys.version_info[1]} path:{VENV}\n"


def is_ready() -> bool:
    """Whether `.venv` was finished and nothing has changed since."""
    try:
        return (VENV / STAMP).read_text() == expected_stamp() and os.access(VENV / "bin" / "python", os.X_OK)
    except OSError:
        return False


def become_cli(arguments: list[str]) -> None:
    """Replace this process; the caller's working folder stays, imports come from the repository alone."""
    python = str(VENV / "bin" / "python")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    sys.stdout.flush()
    os.execve(python, [python, "-m", "infra.cli", *arguments], environment)


def main(arguments: list[str]) -> int:
    """Prepare if need be, then hand over; returns only on failure."""
    if not is_ready():
        sys.path.insert(0, str(ROOT))
        from infra.environment import SetupError, prepare

        try:
            prepare()
        except SetupError as exc:
            print(f"shadowtwin: {exc}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nshadowtwin: interrupted; the next run starts the set-up again.", file=sys.stderr)
            return 130
    become_cli(arguments)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

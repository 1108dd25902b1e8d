"""`python -m infra.deployment`: every check of the deployment files; one line for each finding, exit code 1 for any."""

from __future__ import annotations

import sys

from infra.deployment.validation import findings

if __name__ == "__main__":
    found = findings()
    for line in found:
        print(line)
    sys.exit(1 if found else 0)

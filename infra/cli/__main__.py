"""`python -m infra.cli`: what `./shadowtwin` runs once the environment exists."""

from __future__ import annotations

import sys

from infra.cli.parser import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

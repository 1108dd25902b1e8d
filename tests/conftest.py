"""For every test and every process it starts: no model call leaves this machine."""

from __future__ import annotations

import os

from shared.adapters.openai_client import LOOPBACK_ONLY

os.environ[LOOPBACK_ONLY] = "1"

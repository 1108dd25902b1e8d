"""How a command fails: as a call does, with a stable code, a sentence, a hint, and an exit code."""

from __future__ import annotations

from infra.client import ClientError


class CliError(ClientError):
    """Ends the command; printed as `{error: {code, message, hint}}` with --json."""

"""How a command fails: a stable code, a sentence, a hint, and an exit code."""

from __future__ import annotations


class CliError(Exception):
    """Ends the command; printed as `{error: {code, message, hint}}` with --json."""

    def __init__(self, code: str, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.exit_code = code, message, hint, exit_code

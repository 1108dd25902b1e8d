"""How a call fails: a stable code, a sentence, and a hint that says what to do."""

from __future__ import annotations


class ClientError(Exception):
    """`code` is one of docs/errors.md, or `unavailable`; `exit_code` is what a command ends with: 2 when the request
    was wrong, 1 when it may be right another time."""

    def __init__(self, code: str, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.exit_code = code, message, hint, exit_code

"""Who a process is at the broker. Without a user the broker lets anybody in, as the local stack's does."""

from __future__ import annotations

from typing import NamedTuple


class BrokerLogin(NamedTuple):
    """A user of the broker and its password."""

    user: str = ""
    password: str = ""

    @property
    def inbox_prefix(self) -> str:
        """Where answers to this user go. Each user has a place of its own, which no other may listen to."""
        return f"_INBOX_{self.user}" if self.user else "_INBOX"


ANYBODY = BrokerLogin()
"""No user."""

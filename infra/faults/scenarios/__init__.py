"""The faults: each is a coroutine that breaks a world of its own and says what it saw."""

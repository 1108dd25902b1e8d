"""The broker's users as a deployment has them: its own configuration of who may say what, with passwords of a test."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.nats_users import FILE, OPERATOR, PASSWORDS, password_variable, users
from shared.broker_login import BrokerLogin


def login(user: str) -> BrokerLogin:
    """A user with the password that `configured` gives it."""
    return BrokerLogin(user, f"password-of-{user}-in-tests")


def configured(folder: Path) -> Path:
    """infra/nats-users.conf beside its passwords."""
    passwords = [f'{password_variable(name)}: "{login(name).password}"\n' for name in (OPERATOR, *users())]
    (folder / PASSWORDS).write_text("".join(passwords), encoding="utf-8")
    return Path(shutil.copy(FILE, folder))


def settings(folder: Path) -> dict[str, dict[str, str]]:
    """For each service what its settings say of the broker."""
    made = {}
    for name in users():
        file = folder / f"{name}.password"
        file.write_text(login(name).password, encoding="utf-8")
        made[name] = {"SHADOWTWIN_NATS_USER": name, "SHADOWTWIN_NATS_PASSWORD_FILE": str(file)}
    return made

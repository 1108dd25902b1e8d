"""Shapes of what workers are answered, as shapes.py has those of other answers."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from shared.job import JobStatus


class Alive(TypedDict):
    """The attempt counts; `reports` it has made so far."""

    alive: bool
    reports: int


class Removed(TypedDict):
    """Whether files of the attempt were removed."""

    removed: bool


class Requeued(TypedDict):
    """The new run."""

    jobId: str
    processId: str


class Applied(TypedDict):
    """Whether the report changed anything; else `reason`."""

    applied: bool
    reason: NotRequired[str]
    status: NotRequired[JobStatus]
    revision: NotRequired[int]


class NotGranted(TypedDict):
    """The step was not given to this worker."""

    granted: bool
    reason: str


class ServiceUnauthorized(TypedDict):
    """The credential is not that of the step's service."""

    code: str
    reason: str

"""What a job is asked for: the options of the source (seed 003, checklist A3.23, A3.25) and those of this system."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec


class Policy(StrEnum):
    """What a phase does with its gate: respect it, run anyway, or skip."""

    DO = "do"
    FORCE = "force"
    IGNORE = "ignore"


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the parts of a job document: immutable, camelCase outside, every field always present."""


class Options(Record, frozen=True, kw_only=True):
    """What the extraction is asked for."""

    target_language: str = "en"
    extraction_method: str = "auto"
    include_images: bool = True
    use_cache: bool = True


class Phases(Record, frozen=True, kw_only=True):
    """Which phases the job has at all."""

    extract: bool = True
    template: bool = True
    ingest: bool = True


class Policies(Record, frozen=True, kw_only=True):
    """One policy for each phase; a plain job does what its gates allow."""

    extract: Policy = Policy.DO
    metadata: Policy = Policy.DO
    ingest: Policy = Policy.DO


class RecordOptions(Record, frozen=True, kw_only=True):
    """Records (seed 002): the library's schema ("" = none are asked for), whether extraction may and must run, whether
    stored records are refined, how often the text is read (`reps`; each pass adds what the former ones overlooked), and
    how duplicates are told (`jaccard` or `embedding`, from `threshold` on)."""

    schema: str = ""
    extract: bool = True
    force: bool = False
    refine: bool = False
    reps: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    method: Literal["jaccard", "embedding"] = "jaccard"
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.9


class Parameters(Options, frozen=True, kw_only=True):
    """The job's settings, as resolved when it was made. `budget_usd` is the most that its model calls may cost;
    `figures` and `previews` ask for what pages draw, and for pages as a whole, beside the embedded images;
    `sealed_password` opens the PDF: readable by the extractor alone (`shared.sealing`), masked wherever it is shown.
    """

    template: str = "document"
    figures: bool = False
    previews: bool = False
    ocr_languages: str = ""
    """Languages of the text recognition, as in deu+eng; empty: those of the extractor's settings."""
    escalation_seconds: float | None = None
    """How long `auto` may spend on other methods than `fast`; None: as the extractor's settings say."""
    phases: Phases = Phases()
    policies: Policies = Policies()
    budget_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    sealed_password: str = ""
    records: RecordOptions = RecordOptions()
    products: Literal["auto"] | bool = "auto"
    """Whether products are looked for; "auto": given where the document is a catalogue."""
    focused_extraction: bool = False
    """Whether later stages work on the pages of products only."""
    analyze_images: Literal["auto"] | bool = "auto"
    """Whether pictures are looked at; "auto": those of a catalogue, where a model looks."""
    quality_pass: bool = False
    """Whether pictures with a low score are looked at again, in a job of its own after this one."""
    discovery_model: str = ""
    """The model that names and describes products; "": as the transformer's settings say."""

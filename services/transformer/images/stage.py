"""Stage `process_images` (seed 001, 3B): every distinct picture of the worked sheets is looked at once."""

from __future__ import annotations

from services.transformer.images.analysis import FILE, ROLE, Analysis
from services.transformer.images.eyes import Eyes
from services.transformer.images.pictures import pictures_of
from services.transformer.settings import TransformerSettings
from services.transformer.stage import NOT_ASKED, Done, Work, current
from shared.errors import ShadowtwinError
from shared.gates import Verdict, fingerprint, judge
from shared.job import StepName
from shared.ticket import Ticket

REPORTED_MOST = 20


class Images:
    """Pictures are analysed when a job asks for it, and by itself those of a catalogue where a model looks at them."""

    step = StepName.IMAGES
    roles: tuple[str, ...] = (ROLE,)

    def __init__(self, eyes: Eyes, settings: TransformerSettings) -> None:
        self._eyes, self._settings = eyes, settings

    async def gate(self, ticket: Ticket, upstream: bool) -> Verdict:
        """Skipped while the analyses are made from the present pictures; a new analysis of the same picture by the same
        model costs nothing anyway."""
        parameters = ticket.parameters
        exists = ROLE in ticket.document.artefacts
        if not (parameters.analyze_images is True or self._automatic(ticket)):
            return Verdict(False, NOT_ASKED, exists)
        return judge(
            parameters.policies.metadata, parameters.phases.template, await current(ticket, self), "images_current"
        )

    def _automatic(self, ticket: Ticket) -> bool:
        asked = ticket.parameters.analyze_images == "auto" and self._eyes.automatic
        return asked and "images" in ticket.document.artefacts

    async def made_from(self, ticket: Ticket) -> str:
        """The pictures, the text around them, and who looks."""
        artefacts = ticket.document.artefacts
        found = [artefacts[role].sha256 for role in ("images", "transcript") if role in artefacts]
        return fingerprint(
            self._eyes.name, self._settings.image_quality_least, ticket.parameters.analyze_images, *found
        )

    async def run(self, work: Work) -> Done:
        """Look at the pictures; a bad one is a warning, and only when all are bad the stage has failed."""
        plan = await work.plan()
        catalogue = plan is not None and any(row.products for row in plan.pages)
        made_from = await self.made_from(work.ticket)
        if work.ticket.parameters.analyze_images == "auto" and not catalogue:
            await work.write_rows(FILE, [], ROLE)
            return Done(made_from=made_from, skipped="no_catalogue")
        pictures = pictures_of(await work.material(), plan)
        results = await self._eyes.look(pictures, work)
        rows = [result for result in results if isinstance(result, Analysis)]
        failed = [
            f"{picture.name}: {result.message}"
            for picture, result in zip(pictures, results, strict=True)
            if isinstance(result, ShadowtwinError)
        ]
        lost = await work.write_rows(FILE, rows, ROLE)
        low = sum(row.queued for row in rows)
        work.report.mark(
            "images_analysed", f"{len(rows)} of {len(pictures)} pictures, {low} with a low score", lowScores=low
        )
        return Done(
            made_from=made_from,
            counts={"imagesProcessed": len(rows), "imagesQueued": low, "imagesFailed": len(failed)},
            warnings=[*_warnings(failed), *lost],
            failed=f"none of {len(failed)} pictures could be analysed" if failed and not rows else "",
        )


def _warnings(failed: list[str]) -> list[dict[str, str]]:
    """One for each picture, the last of very many for all the rest."""
    said = failed if len(failed) <= REPORTED_MOST else failed[: REPORTED_MOST - 1]
    rest = len(failed) - len(said)
    more = [f"{rest} further pictures could not be analysed"] if rest else []
    return [{"code": "image_failed", "message": message} for message in [*said, *more]]

"""The real phases with a model that answers as a test says, for the transform phase and the quality pass."""

from __future__ import annotations

from typing import Any

from services.transformer.discovery_stage import ProductDiscovery
from services.transformer.images.eyes import ModelEyes
from services.transformer.images.quality import QualityPass
from services.transformer.images.stage import Images
from services.transformer.metadata import Metadata
from services.transformer.model_analyzer import ModelAnalyzer
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Stage
from services.transformer.transformation import Transformation
from shared.job import StepName
from shared.models import Models
from tests.support.gateway import World
from tests.support.phases import Counted, InlineChildren, real_phases


def model_phases(world: World, models: Models) -> dict[StepName, Counted]:
    """See tests.support.phases.real_phases."""
    children: Any = InlineChildren()
    settings = TransformerSettings()
    offline = OfflineAnalyzer(children, settings)
    analyzer, eyes = ModelAnalyzer(models, offline, settings), ModelEyes(models, offline, settings)
    stages: list[Stage] = [Metadata(world.storage, analyzer), ProductDiscovery(analyzer), Images(eyes, settings)]
    return {
        **real_phases(world),
        StepName.TRANSFORM: Counted(Transformation(world.storage, stages)),
        StepName.QUALITY: Counted(QualityPass(world.storage, eyes)),
    }

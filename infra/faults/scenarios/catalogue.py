"""All faults, numbered."""

from __future__ import annotations

from infra.faults.runner import Scenario
from infra.faults.scenarios import generations, kills, load, messages, outages, runs, surroundings

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(1, "kill -9 of each worker at five points", kills.workers),
    Scenario(2, "gateway killed before a publish and in an upload", kills.gateway),
    Scenario(3, "broker killed and started again", outages.broker_killed),
    Scenario(4, "broker wiped", outages.broker_wiped),
    Scenario(5, "broker away", outages.broker_away),
    Scenario(6, "database away, slow, answers lost", outages.database),
    Scenario(7, "events doubled, shuffled, too early", messages.duplicates),
    Scenario(8, "requeue while the old run lives", runs.requeue),
    Scenario(9, "workers frozen and thawed", runs.frozen),
    Scenario(10, "work that hangs under heartbeats", runs.hang),
    Scenario(11, "callbacks replayed and forged", messages.callbacks),
    Scenario(12, "vector store and model endpoint fail", surroundings.vendors, 400.0),
    Scenario(13, "disk full", surroundings.disk_full),
    Scenario(14, "artefacts shortened, emptied, removed", runs.artefacts),
    Scenario(15, "poison messages", messages.poison),
    Scenario(16, "poison PDFs", surroundings.hostile_pdfs, 400.0),
    Scenario(17, "1,000 jobs at once", load.thousand, 900.0),
    Scenario(18, "rolling restart under load", load.rolling),
    Scenario(19, "two gateways sweep", load.two_gateways),
    Scenario(20, "document deleted mid-run", runs.deleted),
    Scenario(21, "stream full", outages.stream_full),
    Scenario(22, "consumer drift", outages.consumer_drift),
    Scenario(23, "seeded soak", load.soak, 500.0),
    Scenario(24, "ingestor killed 50 times while vectors are replaced", generations.killed_while_switching, 1_500.0),
    Scenario(25, "a tenth of all requests to vector store and embedder fails", surroundings.unreliable, 500.0),
)

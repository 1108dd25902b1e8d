"""Diagnosis and repair over real documents: the real phases have made them, then something is broken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pymupdf
import pytest
from msgspec.structs import replace

from shared.document import Document, DocumentStatus
from shared.job import QUALITY_PASS
from shared.ports import VectorRow
from shared.testing.memory import MemoryStorage
from tests.support.gateway import World, world
from tests.support.pdfs import pictured_pdf
from tests.support.phases import Route


class Ward:
    """A gateway whose documents fall ill."""

    def __init__(self, gateway: World) -> None:
        self.world = gateway
        self.route = Route(gateway)

    async def process(self, number: int, library: str = "lib", pictures: int = 2) -> Document:
        accepted = await self.world.upload(
            pictured_pdf(number, pictures), name=f"paper-{number}.pdf", libraryId=library
        )
        await self.route.run()
        return await self.stored(accepted["documentId"])

    async def stored(self, document_id: str) -> Document:
        found = await self.world.documents.get(document_id)
        assert found is not None
        return found

    async def put(self, document: Document) -> None:
        assert await self.world.documents.put(document)

    async def rename_source(self, document: Document, key: str) -> None:
        self.world.storage.objects[key] = self.world.storage.objects.pop(document.artefacts["source"].key)

    def drop_rows(self, document: Document, *kinds: str) -> None:
        rows = self.world.vectors.rows
        for key in [key for key, row in rows.items() if row.document_id == document.document_id and row.kind in kinds]:
            del rows[key]

    async def diagnose(self, **query: Any) -> dict[str, Any]:
        answer = await self.world.http.get("/api/diagnosis", params={"status": "any", **query})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert "error" not in body
        return body

    async def states(self, **query: Any) -> dict[str, str]:
        return {row["documentId"]: row["state"] for row in (await self.diagnose(**query))["documents"]}

    async def state(self, document: Document) -> str:
        return (await self.states(documentId=document.document_id))[document.document_id]

    async def repair(self, **body: Any) -> dict[str, Any]:
        answer = await self.world.http.post("/api/repairs", json={"status": "any", **body})
        assert answer.status_code in (200, 202), answer.text
        state: dict[str, Any] = answer.json()
        while not state["finished"]:
            await self.world.settle()
            state = (await self.world.http.get(f"/api/repairs/{state['handle']}")).json()
        assert state["error"] == ""
        await self.world.settle()
        return state


@pytest.fixture
async def ward() -> AsyncIterator[Ward]:
    async with world() as gateway:
        yield Ward(gateway)


async def test_a_processed_document_is_healthy_and_any_other_state_is_told_with_advice(ward: Ward) -> None:
    ids = [(await ward.process(number)).document_id for number in range(5)]
    assert set((await ward.states()).values()) == {"healthy"}
    gone, orphan, blind, empty, _ = [await ward.stored(name) for name in ids]
    for document in (gone, orphan):
        await ward.world.storage.delete(document.artefacts["source"].key)
    ward.drop_rows(gone, "chunk", "summary", "doc")
    ward.drop_rows(empty, "chunk", "summary")
    await ward.world.storage.delete(f"lib/{blind.document_id}/images/1_0.png")
    found = await ward.diagnose()
    states = {row["documentId"]: row["state"] for row in found["documents"]}
    assert [states[name] for name in ids] == [
        "null_pointer", "orphaned_chunks", "missing_links", "not_processed", "healthy"
    ]  # fmt: skip
    assert found["summary"] == dict.fromkeys(states.values(), 1)
    assert found["objects"] == {"found": 3, "notFound": 2, "fixable": 0}
    advice = {row["state"]: row["advice"] for row in found["documents"]}
    flags = {
        "null_pointer": "--mark-deleted", "orphaned_chunks": "--delete-orphans", "missing_links": "images backfill",
        "not_processed": "--reprocess", "healthy": "No action needed",
    }  # fmt: skip
    assert all(flag in advice[state] for state, flag in flags.items())


async def test_the_laws_tell_finer_states_than_the_table(ward: Ward) -> None:
    documents = {name: await ward.process(at) for at, name in enumerate(("counts", "stale", "twin", "pdf", "file"))}
    key = next(key for key, row in ward.world.vectors.rows.items() if row.document_id == documents["counts"].document_id
               and row.kind == "chunk")  # fmt: skip
    del ward.world.vectors.rows[key]
    await ward.put(replace(documents["stale"], generation="an-older-copy"))
    await ward.world.storage.delete(documents["twin"].artefacts["transcript"].key)
    await ward.world.storage.write(documents["pdf"].artefacts["source"].key, b"%PDF- another one")
    transformation = documents["file"].artefacts["transformation"].key
    await ward.world.storage.write(transformation, ward.world.storage.objects[transformation] + b"!")
    states = {name: await ward.state(document) for name, document in documents.items()}
    assert states == {
        "counts": "counts_differ", "stale": "stale_generation", "twin": "missing_twin", "pdf": "hash_mismatch",
        "file": "hash_mismatch",
    }  # fmt: skip
    actions = {row["documentId"]: row["action"] for row in (await ward.diagnose())["documents"]}
    assert actions[documents["pdf"].document_id] == "reupload"
    assert actions[documents["file"].document_id] == "reprocess"


async def test_bytes_of_the_same_length_are_told_when_the_document_is_named(ward: Ward) -> None:
    document = await ward.process(1)
    key = document.artefacts["source"].key
    await ward.world.storage.write(key, bytes(reversed(ward.world.storage.objects[key])))
    assert await ward.state(document) == "hash_mismatch"


async def test_a_document_without_text_is_healthy_and_one_under_way_is_in_work(ward: Ward) -> None:
    with pymupdf.open() as pdf:
        pdf.new_page()
        accepted = await ward.world.upload(pdf.tobytes(), libraryId="lib")
    assert (await ward.states())[accepted["documentId"]] == "in_work"
    await ward.route.run()
    assert (await ward.states())[accepted["documentId"]] == "healthy"


async def test_a_job_that_does_not_move_is_stuck_and_can_be_told_again(ward: Ward) -> None:
    async def busy() -> dict[str, int | None]:
        return {"extractor": 0}

    ward.world.gateway.explainer._free_workers = busy
    accepted = await ward.world.upload(pictured_pdf(1), libraryId="lib")
    row = (await ward.diagnose(status="stuck"))["documents"][0]
    assert (row["state"], row["job"]["code"], row["job"]["jobId"]) == ("stuck", "no_worker", accepted["jobId"])
    assert row["job"]["advice"] in row["advice"]
    asked = ward.world.bus.asked
    state = await ward.repair(status="stuck", triggerStuck=True)
    assert state["counts"] == {"done": 1}
    assert ward.world.bus.asked == asked + 1
    await ward.route.run()
    assert (await ward.states()) == {accepted["documentId"]: "healthy"}
    assert [entry["action"] for entry in (await ward.stored(accepted["documentId"])).history] == ["trigger"]


async def test_a_file_under_another_key_is_found_and_only_fix_sets_it_right(ward: Ward) -> None:
    document = await ward.process(1)
    home = f"lib/{document.document_id}"
    await ward.rename_source(document, f"{home}/paper%201.pdf")
    row = (await ward.diagnose())["documents"][0]
    assert (row["state"], row["foundAt"]["place"]) == ("orphaned_chunks", "other_key")
    assert "--fix" in row["advice"]
    state = await ward.repair(deleteOrphans=True, markDeleted=True)
    assert [(step["action"], step["status"]) for step in state["actions"]] == [("fix_key", "not_asked")]
    state = await ward.repair(fix=True)
    assert state["counts"] == {"done": 1}
    assert state["left"] == {"healthy": 1}
    after = await ward.stored(document.document_id)
    assert after.artefacts["source"].key == f"{home}/paper%201.pdf"
    assert [entry["action"] for entry in after.history] == ["fix_key"]


async def test_a_file_without_its_document_folder_is_copied_into_it(ward: Ward) -> None:
    document = await ward.process(1)
    await ward.rename_source(document, "lib/uploads/paper 1.pdf")
    assert (await ward.repair(fix=True))["counts"] == {"done": 1}
    after = await ward.stored(document.document_id)
    assert after.artefacts["source"].key == f"lib/{document.document_id}/source.pdf"
    assert ward.world.storage.objects["lib/uploads/paper 1.pdf"]


async def test_a_file_under_another_prefix_is_only_set_by_naming_its_key(ward: Ward) -> None:
    document = await ward.process(1)
    key = f"moved/{document.document_id}/source.pdf"
    await ward.rename_source(document, key)
    row = (await ward.diagnose())["documents"][0]
    assert row["foundAt"]["place"] == "wrong_prefix"
    assert "--set-key" in row["advice"]
    assert (await ward.repair(fix=True))["counts"] == {"not_asked": 1}
    wrong = await ward.repair(documentId=document.document_id, setKey="lib/nothing.pdf")
    assert wrong["counts"] == {"skipped": 1}
    assert (await ward.repair(documentId=document.document_id, setKey=key))["left"] == {"healthy": 1}


async def test_another_bucket_is_looked_into_when_asked(ward: Ward) -> None:
    other = MemoryStorage()
    ward.world.gateway.doctor.examiner._buckets["old-bucket"] = other
    document = await ward.process(1)
    key = document.artefacts["source"].key
    other.objects[key] = ward.world.storage.objects.pop(key)
    assert "foundAt" not in (await ward.diagnose())["documents"][0]
    row = (await ward.diagnose(checkOtherBuckets=True))["documents"][0]
    assert (row["foundAt"]["place"], row["foundAt"]["bucket"]) == ("wrong_bucket", "old-bucket")


async def test_nothing_is_changed_without_a_flag_nor_in_a_dry_run(ward: Ward) -> None:
    gone, orphan = await ward.process(1), await ward.process(2)
    for document in (gone, orphan):
        await ward.world.storage.delete(document.artefacts["source"].key)
    ward.drop_rows(gone, "chunk", "summary", "doc")

    def everything() -> Any:
        objects, rows = ward.world.storage.objects, dict(ward.world.vectors.rows)
        storage = {key: content for key, content in objects.items() if not key.startswith("_progress/repair/")}
        return storage, rows, dict(ward.world.gateway.documents._documents._documents.stored)  # type: ignore[attr-defined]

    before = everything()
    plan = await ward.repair()
    assert plan["counts"] == {"not_asked": 2}
    kept = len(ward.world.storage.objects)
    dry = await ward.repair(dryRun=True, markDeleted=True, deleteOrphans=True, fix=True, reprocess=True)
    assert dry["planned"] == {"mark_deleted": 2, "delete_chunks": 1}
    assert everything() == before
    assert len(ward.world.storage.objects) == kept, "a dry run does not even leave its progress"


async def test_null_pointers_are_marked_and_orphans_deleted_each_by_its_own_flag(ward: Ward) -> None:
    gone, orphan = await ward.process(1), await ward.process(2)
    for document in (gone, orphan):
        await ward.world.storage.delete(document.artefacts["source"].key)
    ward.drop_rows(gone, "chunk", "summary", "doc")
    assert (await ward.repair(markDeleted=True))["left"] == {"deleted": 1, "orphaned_chunks": 1}
    after = await ward.stored(gone.document_id)
    assert (after.status, after.error) == (
        DocumentStatus.DELETED, "File not found in storage - marked as deleted"
    )  # fmt: skip
    assert (await ward.repair(deleteOrphans=True))["left"] == {"null_pointer": 1}
    assert not [row for row in ward.world.vectors.rows.values() if row.document_id == orphan.document_id]
    assert (await ward.repair(markDeleted=True))["left"] == {"deleted": 1}
    actions = [entry["action"] for entry in (await ward.stored(orphan.document_id)).history]
    assert actions == ["delete_chunks", "mark_deleted"]


async def test_a_deleted_document_comes_back_with_its_file(ward: Ward) -> None:
    document = await ward.process(1)
    await ward.world.storage.delete(document.artefacts["source"].key)
    await ward.repair(deleteOrphans=True, markDeleted=True)
    assert await ward.state(document) == "deleted"
    accepted = await ward.world.upload(pictured_pdf(1), name="paper-1.pdf", libraryId="lib")
    assert accepted["documentId"] == document.document_id
    await ward.route.run()
    assert await ward.state(document) == "healthy"
    assert (await ward.stored(document.document_id)).error == ""


@pytest.mark.parametrize("lost", ["chunks", "transcript", "transformation", "pages", "generation"])
async def test_reprocessing_makes_good_whatever_was_lost(ward: Ward, lost: str) -> None:
    document = await ward.process(1)
    if lost == "chunks":
        ward.drop_rows(document, "chunk", "summary")
    elif lost == "generation":
        await ward.put(replace(document, generation="", chunk_count=0, status=DocumentStatus.PENDING))
    else:
        await ward.world.storage.delete(document.artefacts[lost].key)
    assert await ward.state(document) != "healthy"
    state = await ward.repair(reprocess=True)
    assert (state["jobs"], state["left"]) == (1, {"in_work": 1})
    await ward.route.run()
    assert await ward.state(document) == "healthy"
    after = await ward.stored(document.document_id)
    assert after.history[-1]["action"] == "reprocess"
    assert after.history[-1]["jobId"] == after.last_job_id
    job = await ward.world.job(after.last_job_id)
    assert job.correlation.batch_id == state["batchId"]


async def test_documents_that_were_only_uploaded_are_triggered(ward: Ward) -> None:
    document = await ward.process(1)
    ward.drop_rows(document, "chunk", "summary", "doc")
    await ward.put(
        replace(document, status=DocumentStatus.PENDING, generation="", chunk_count=0, made_from={}, last_job_id="",
                artefacts={"source": document.artefacts["source"]})
    )  # fmt: skip
    assert list((await ward.states(status="stuck")).values()) == ["not_processed"]
    assert (await ward.repair(status="stuck", triggerStuck=True, dryRun=True))["planned"] == {"trigger": 1}
    assert (await ward.repair(status="stuck", triggerStuck=True))["counts"] == {"done": 1}
    await ward.route.run()
    assert await ward.state(document) == "healthy"


async def test_no_document_is_touched_while_a_job_is_at_it(ward: Ward) -> None:
    document = await ward.process(1)
    await ward.world.storage.delete(document.artefacts["source"].key)
    ward.drop_rows(document, "chunk", "summary", "doc")
    job = await ward.world.job(document.last_job_id)
    ward.world.jobs._store(replace(job, job_id="other", status="running"))
    state = await ward.repair(markDeleted=True)
    assert state["counts"] == {"skipped": 1}
    ward.world.jobs._store(replace(job, job_id="other", status="running", operation=QUALITY_PASS))
    assert (await ward.repair(markDeleted=True))["counts"] == {"done": 1}


async def test_a_change_between_look_and_repair_wins(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    document = await ward.process(1)
    key = document.artefacts["source"].key
    content = ward.world.storage.objects.pop(key)
    ward.drop_rows(document, "chunk", "summary", "doc")
    open_job = ward.world.gateway.doctor.examiner.open_job

    async def meanwhile(document_id: str) -> Any:
        if key not in ward.world.storage.objects:
            ward.world.storage.objects[key] = content
            await ward.put(replace(await ward.stored(document_id), status=DocumentStatus.PENDING))
        return await open_job(document_id)

    plan = ward.world.gateway.repairs._plan

    async def planned(*given: Any) -> Any:
        ids = await plan(*given)
        monkeypatch.setattr(ward.world.gateway.doctor.examiner, "open_job", meanwhile)
        return ids

    monkeypatch.setattr(ward.world.gateway.repairs, "_plan", planned)
    state = await ward.repair(markDeleted=True)
    assert state["counts"] == {"skipped": 1}
    assert (await ward.stored(document.document_id)).status == DocumentStatus.PENDING


async def test_missing_pictures_are_put_back_with_their_own_bytes_only(ward: Ward) -> None:
    document = await ward.process(1)
    key = f"lib/{document.document_id}/images/1_0.png"
    content = ward.world.storage.objects.pop(key)
    url = f"/api/documents/{document.document_id}"
    told = (await ward.world.http.get(f"{url}/missing-images")).json()
    assert (told["pdfStored"], [row["name"] for row in told["missing"]]) == (True, ["1_0.png"])
    pdf = (await ward.world.http.get(f"{url}/source")).content
    assert hashlib.sha256(pdf).hexdigest() == told["sha256"] == document.sha256
    assert (await ward.world.http.put(f"{url}/images/1_0.png", content=b"other")).status_code == 409
    assert (await ward.world.http.put(f"{url}/images/9_9.png", content=content)).status_code == 404
    assert key not in ward.world.storage.objects
    assert (await ward.world.http.put(f"{url}/images/1_0.png", content=content)).status_code == 201
    assert (await ward.world.http.put(f"{url}/images/1_0.png", content=content)).status_code == 200
    assert await ward.state(document) == "healthy"


async def test_keys_are_written_into_rows_of_pictures_and_a_lost_list_is_found_again(ward: Ward) -> None:
    document = await ward.process(1)
    rows = [
        VectorRow(
            row_id=f"i{page}", kind="image", library_id="lib", document_id=document.document_id, file_id="f",
            generation=generation, vector=[0.0] * 15 + [1.0], pages=[page], position=0, extra={"caption": "An otter"},
        )
        for page, generation in ((1, document.generation), (2, document.generation))
    ]  # fmt: skip
    await ward.world.vectors.write(rows)
    listing = document.artefacts["images"]
    await ward.put(replace(document, artefacts={k: v for k, v in document.artefacts.items() if k != "images"}))
    assert await ward.state(document) == "missing_links"
    assert (await ward.repair(linkImages=True))["left"] == {"healthy": 1}
    linked = [row async for row in ward.world.vectors.rows_of(document.document_id, "image", vectors=True)]
    assert {row.row_id: row.extra for row in linked} == {
        "i1": {"caption": "An otter", "file": "1_0.png"}, "i2": {"caption": "An otter", "file": "2_0.png"}
    }  # fmt: skip
    assert all(row.vector == rows[0].vector for row in linked)
    assert (await ward.stored(document.document_id)).artefacts["images"] == listing


async def test_a_lost_list_of_pictures_is_made_again_from_the_pdf(ward: Ward) -> None:
    document = await ward.process(1)
    await ward.world.storage.delete(document.artefacts["images"].key)
    row = (await ward.diagnose())["documents"][0]
    assert (row["state"], "--reprocess" in row["advice"]) == ("missing_links", True)
    await ward.repair(reprocess=True)
    await ward.route.run()
    assert await ward.state(document) == "healthy"


async def test_what_failed_documents_have_in_common_is_told(ward: Ward) -> None:
    for number in range(1, 5):
        document = await ward.process(number, library="agency", pictures=0)
        ward.drop_rows(document, "chunk", "summary", "doc")
        for key in [key for key in ward.world.storage.objects if key.startswith(f"agency/{document.document_id}/")]:
            del ward.world.storage.objects[key]
        broken = replace(
            document, status=DocumentStatus.ERROR, name=f"report_part{number:02}of04.pdf", error=f"NoSuchKey: {number}"
        )
        await ward.put(broken)
    patterns = {row["pattern"]: row for row in (await ward.diagnose(status="failed"))["patterns"]}
    assert set(patterns) == {
        "one_library", "multi_part_names", "same_error", "empty_prefix", "deleted_after_upload"
    }  # fmt: skip
    assert (patterns["one_library"]["library"], patterns["one_library"]["objectsFound"]) == ("agency", 0)
    assert patterns["empty_prefix"]["library"] == "agency"


async def test_never_uploaded_and_expired_are_told_apart(ward: Ward) -> None:
    for number, error in ((1, ""), (2, "upload_expired: the upload address expired")):
        document = await ward.process(number)
        await ward.world.storage.delete(document.artefacts["source"].key)
        others = {role: file for role, file in document.artefacts.items() if role != "source"}
        await ward.put(replace(document, artefacts=others, error=error, status=DocumentStatus.ERROR))
    rows = (await ward.diagnose())["documents"]
    assert {row["cause"] for row in rows} == {"never_uploaded", "upload_url_expired"}


async def test_an_answer_can_be_read_line_by_line(ward: Ward) -> None:
    for number in range(3):
        await ward.process(number)
    answer = await ward.world.http.get(
        "/api/diagnosis", params={"status": "any"}, headers={"Accept": "application/x-ndjson"}
    )
    *rows, end = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["state"] for row in rows] == ["healthy"] * 3
    assert end == {
        "summary": {"healthy": 3}, "checked": 3, "objects": {"found": 3, "notFound": 0, "fixable": 0}, "patterns": []
    }  # fmt: skip


async def test_a_run_that_ends_early_says_so_in_its_answer(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    await ward.process(1)

    async def away(*given: Any) -> Any:
        raise RuntimeError("secret text")

    monkeypatch.setattr(ward.world.vectors, "census", away)
    body = (await ward.world.http.get("/api/diagnosis", params={"status": "any"})).json()
    assert body["error"]["code"] == "internal"
    assert "secret" not in json.dumps(body)
    state = (await ward.world.http.post("/api/repairs", json={"status": "any"})).json()
    while not state["finished"]:
        await ward.world.settle()
        state = (await ward.world.http.get(f"/api/repairs/{state['handle']}")).json()
    assert "secret" not in state["error"] != ""


async def test_wrong_questions_are_told(ward: Ward) -> None:
    http = ward.world.http
    assert (await http.get("/api/diagnosis", params={"status": "sad"})).status_code == 400
    assert (await http.get("/api/diagnosis", params={"documentId": "none"})).status_code == 404
    assert (await http.post("/api/repairs", json={"status": "sad"})).status_code == 400
    assert (await http.post("/api/repairs", json={"setKey": "a"})).status_code == 400
    assert (await http.post("/api/repairs", json={"colour": 1})).status_code == 400
    assert (await http.get("/api/repairs/none")).status_code == 404
    assert (await http.get("/api/repairs/none/left")).status_code == 404


async def test_a_repair_says_where_it_writes_without_secrets(ward: Ward) -> None:
    environment = (await ward.repair(dryRun=True))["environment"]
    assert set(environment) == {"name", "database", "storage", "index"}
    assert environment["name"] == "local"


async def test_rows_of_a_former_generation_in_the_index_of_pictures_are_told(ward: Ward) -> None:
    document = await ward.process(1)
    old = VectorRow(
        row_id="i1@old", kind="image", library_id="lib", document_id=document.document_id, file_id="f",
        generation="old", vector=[1.0] * 512, pages=[1], position=0, scale="colour", extra={"file": "1_0.png"},
    )  # fmt: skip
    await ward.world.images.write([old])
    assert await ward.state(document) == "stale_generation"


async def test_orphans_are_deleted_from_the_index_of_pictures_too(ward: Ward) -> None:
    document = await ward.process(1)
    assert await ward.world.images.count(document.document_id, document.generation) > 0
    await ward.world.storage.delete(document.artefacts["source"].key)
    await ward.repair(deleteOrphans=True)
    assert await ward.world.images.count(document.document_id, document.generation) == 0

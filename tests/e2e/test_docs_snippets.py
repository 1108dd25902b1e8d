"""Every command and snippet of README and docs/ is run as it is written, against one live stack."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from infra.cli.parser import build
from infra.sample import write_sample
from infra.stack import Stack
from tests.e2e.conftest import QUICK
from tests.support import snippets
from tests.support.pdfs import long_pdf
from tests.support.snippets import REPO, Session

PAGES = [
    "README.md",
    "docs/tutorial.md",
    *sorted(str(page.relative_to(REPO)) for page in (REPO / "docs" / "how-to").glob("*.md")),
    *sorted(str(page.relative_to(REPO)) for page in (REPO / "docs" / "migration").glob("*.md")),
]
"""Pages whose blocks are run here."""

ELSEWHERE = {
    "docs/export-and-replay.md": "tests/e2e/test_replay.py",
    "docs/external-workers.md": "tests/wiring/test_external_examples.py",
    "docs/production.md": "tests/unit/infra/test_production_guide.py",
    "docs/webhooks.md": "tests/wiring/test_webhook_examples.py",
}
"""Pages that have tests of their own."""

NOT_RUN = {
    "./shadowtwin demo": "makes an environment and a stack of its own",
    "./shadowtwin test": "runs this test",
    "./shadowtwin debug DOCUMENT_ID --api-url https://host --library NAME": "asks another installation",
    "./shadowtwin extract scan.pdf --output out --method ocr --ocr-languages deu+eng": "recognition is slow",
    "./shadowtwin process paper.pdf --data-dir .shadowtwin/with-model": "a stack more: see the test below",
    "./shadowtwin jobs --data-dir .shadowtwin/with-model": "the same",
    "./shadowtwin reembed --data-dir .shadowtwin/with-model": "the same; README's page runs the command",
    "./shadowtwin replay job.zip": "ten seconds that tests/e2e/test_replay.py spends",
    "./shadowtwin up": "runs until Ctrl-C; the stack here is what it starts",
}
"""Commands that are only held against the parser, and why."""


WORKER, MODEL = "127.0.0.1:9000", "127.0.0.1:11434"
"""Where the pages have a worker and a model."""


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """A free port for the worker of the how-to page, and a model server."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = [sys.executable, "-m", "infra.bench.model_server", "--dimension", "256"]
    with subprocess.Popen(server, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as model:
        assert model.stdin
        assert model.stdout
        url = json.loads(model.stdout.readline())["url"]
        yield {WORKER: f"127.0.0.1:{port}", MODEL: urlsplit(url).netloc}
        model.stdin.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, addresses: dict[str, str]) -> Iterator[tuple[Stack, httpx.Client]]:
    settings = {**QUICK, "SHADOWTWIN_EXTERNAL_URL": f"http://{addresses[WORKER]}/process"}
    with (
        Stack(tmp_path_factory.mktemp("documented"), settings=settings) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
    ):
        yield stack, http


@pytest.fixture
def session(stack: tuple[Stack, httpx.Client], addresses: dict[str, str], tmp_path: Path) -> Iterator[Session]:
    """A reader with the files that the pages speak of, in an installation where nothing has happened."""
    (tmp_path / "reports").mkdir()
    write_sample(tmp_path / "paper.pdf")
    for name in ("big.pdf", "scan.pdf", "reports/spring.pdf"):
        long_pdf(tmp_path / name, 1)
    for name in ("paper.pdf", "big.pdf", "scan.pdf", "reports/spring.pdf"):
        with (tmp_path / name).open("ab") as file:
            file.write(f"% {name} of {tmp_path.name}\n".encode())  # a file of its own: no page finds another's
    Image.new("RGB", (64, 64), (120, 160, 90)).save(tmp_path / "tile.jpg")
    made = Session(tmp_path, stack[0].data_dir, stack[1], addresses)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES)
def test_every_snippet_does_what_its_page_says(page: str, session: Session):
    for block in snippets.blocks(REPO / page):
        if block.language == "python":
            session.save(block)
        for command in snippets.commands(block) if block.language == "sh" else ():
            if not_run(command) is None:
                session.run(command)


OPENED = """.venv/bin/python - <<'EOF'
import asyncio
from shared.adapters.model_choice import ModelSettings, choose_limits, choose_models
from shared.adapters.vector_choice import VectorSettings, choose_embedder
assert choose_models(ModelSettings(), None, None)
(vector,) = asyncio.run(choose_embedder(VectorSettings(), choose_limits(None)).embed(["a tower"]))
print("dimension", len(vector))
EOF"""


@pytest.mark.timeout(120)
def test_the_settings_of_the_models_page_open_a_model_and_an_embedder_that_answers(session: Session):
    for block in snippets.blocks(REPO / "docs" / "how-to" / "models.md"):
        for command in snippets.commands(block) if block.language == "sh" else ():
            if not_run(command) is None:
                session.run(command)
    assert "dimension 256" in session.run(OPENED)


def not_run(command: str) -> str | None:
    return NOT_RUN.get(re.sub(r"\s+#.*", "", command).strip())


def every_page() -> list[str]:
    found = [REPO / "README.md", *(REPO / "docs").rglob("*.md")]
    return [str(page.relative_to(REPO)) for page in found if "adr" not in page.parts]


@pytest.mark.parametrize("page", every_page())
def test_no_snippet_is_without_a_test(page: str):
    found = snippets.blocks(REPO / page)
    assert {block.language for block in found} <= {"", "sh", "python", "json", "text"}
    if page in PAGES or not any(block.language in ("sh", "python", "json") for block in found):
        return
    assert Path(page).name in (REPO / ELSEWHERE[page]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_not_run_exist_and_json_is_json(page: str):
    for block in snippets.blocks(REPO / page):
        if block.language == "json":
            json.loads(block.text)
        for command in snippets.commands(block) if block.language == "sh" else ():
            words = shlex.split(command, comments=True)
            if not_run(command) and words[1] != "test":
                assert build().parse_args(words[1:]).command == words[1]


@pytest.mark.parametrize("page", [*every_page(), "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_link_leads_somewhere(page: str):
    text = (REPO / page).read_text(encoding="utf-8")
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", text)
    assert [link for link in links if not (REPO / page).parent.joinpath(link).exists()] == []

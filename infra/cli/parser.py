"""Arguments to commands. Command modules are imported when they are used, so that `--help` stays instant."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
from pathlib import Path
from typing import NoReturn

from infra.cli.failure import CliError
from infra.cli.parser_health import add_health
from infra.cli.parser_webhooks import add_webhooks
from infra.client import ClientError
from shared.methods import LOCAL_METHODS

DEFAULT_DATA = Path(__file__).resolve().parents[2] / ".shadowtwin" / "data"


class _Parser(argparse.ArgumentParser):
    """Wrong calls are told like every other failure, so that `--json` holds for them as well."""

    def error(self, message: str) -> NoReturn:
        """Raises CliError; the sentence is argparse's."""
        raise CliError("bad_request", f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.", 2)


def build() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _Parser(prog="shadowtwin", description="Every PDF gets a shadow twin.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, module: str, about: str, *, where: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(module=f"infra.cli.{module}", function=name)
        command.add_argument("--json", action="store_true", help="one JSON object on standard output")
        if where:
            command.add_argument("--api-url", help="address of a running gateway")
            command.add_argument("--data-dir", type=Path, help="folder of a local stack")
        return command

    demo = add("demo", "process", "set everything up, process one PDF, show what came out", where=False)
    demo.add_argument("pdf", nargs="?", type=Path, help="a PDF; without one a sample is made")
    demo.add_argument("--data-dir", type=Path, help="where to keep the run (default: a new folder)")
    for name, about in (
        ("process", "process PDFs and wait for them"),
        ("plan", "say what `process` would run or skip, and why; change nothing"),
    ):
        process = add(name, "process", about)
        process.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PDFs, or folders of them")
        process.add_argument("--library", default="default", help="the library that they belong to")
        process.add_argument("--template", default="document", help="what the metadata are asked for by")
        _method(process)
        process.add_argument("--force", action="store_true", help="run every phase although its gate would skip it")
        _pictures(process)
        _password(process)
    up = add("up", "up", "run the local stack until Ctrl-C", where=False)
    up.add_argument("--data-dir", type=Path, help="where to keep everything")
    up.add_argument("--port", type=int, default=8080, help="the gateway's port (0: any free one)")
    jobs = add("jobs", "show", "list jobs, newest first")
    jobs.add_argument("--status", help="only these: queued, running, completed or failed")
    jobs.add_argument("--limit", type=int, default=20, help="how many")
    job = add("job", "show", "show one job document")
    job.add_argument("id", help="of the job")
    job.add_argument("--why", action="store_true", help="say why it does not move, and what to do")
    again = add("requeue", "show", "start a new run of a job")
    again.add_argument("id", help="of the job")
    again.add_argument("--from", dest="start", choices=["extract", "transform", "ingest"], help="phase to start at")
    again.add_argument("--force", action="store_true", help="also while a worker is still at it")
    add("cancel", "show", "cancel a job").add_argument("id", help="of the job")
    rebuild = add("rebuild", "rebuild", "make documents, chunks and vectors anew from the twins")
    rebuild.add_argument("--library", help="only this one")
    rebuild.add_argument("--broker", action="store_true", help="instead: tell all pending work to a broker again")
    reembed = add(
        "reembed", "rebuild", "make vectors of another embedder anew, without reading PDFs or analysing texts again"
    )
    reembed.add_argument("--library", help="only this one")
    add_health(add)
    add_webhooks(add)
    logs = add("logs", "show", "show a job's log")
    logs.add_argument("id", help="of the job")
    logs.add_argument("--follow", action="store_true", help="until the job has ended")
    export = add("export", "replay", "write a finished job, with all that it used and made, into one file")
    export.add_argument("id", help="of the job")
    export.add_argument("--output", type=Path, metavar="FILE", help="default: the job's id with .zip")
    export.add_argument("--without-source", action="store_true", help="leave the PDF out")
    replay = add("replay", "replay", "run exported jobs again, offline, and compare every artefact", where=False)
    replay.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="files that `export` has made")
    replay.add_argument("--source", type=Path, metavar="FILE", help="the PDF, for a bundle without it")
    replay.add_argument("--max-bytes", type=int, default=4 << 30, help="most bytes of a bundle, unpacked")
    _password(replay)
    search = add("search", "show", "search the chunks of all documents")
    search.add_argument("query", help="what is asked")
    search.add_argument("--top", type=int, default=5, help="how many hits")
    search.add_argument("--library", help="only this one")
    extract = add("extract", "extract", "one PDF to Markdown and images, without any service", where=False)
    extract.add_argument("file", type=Path, help="a PDF")
    extract.add_argument("--output", type=Path, required=True, metavar="DIR", help="where its files go")
    _method(extract)
    _pictures(extract)
    _password(extract)
    agents = add("mcp", "mcp", "serve search, status, logs and requeue to agents (MCP over stdin and stdout)")
    agents.add_argument("--read-only", action="store_true", help="leave out what changes something")
    keys = add("keys", "keys", "make, list or revoke API keys of a local stack", where=False)
    keys.add_argument("action", choices=["make", "list", "revoke"])
    keys.add_argument("id", nargs="?", help="of the key to revoke")
    keys.add_argument("--scope", action="append", choices=["read", "write", "operate"], help="default: read")
    keys.add_argument("--library", action="append", metavar="NAME", help="bind it to this one; may be given again")
    keys.add_argument("--note", default="", help="what it is for")
    keys.add_argument("--data-dir", type=Path, help="folder of a local stack")
    specs = add("specs", "specs", "write the documents anew that are rendered from code", where=False)
    specs.set_defaults(json=False)
    bench = add("bench", "bench", "measure this machine", where=False)
    bench.add_argument("what", choices=["orchestration", "extraction", "catalogue", "ingestion", "answers", "scale"])
    bench.add_argument("--pdf", type=Path, metavar="FILE", help="the catalogue")
    bench.add_argument("--truth", type=Path, metavar="FILE", help="what is in it; truth.json beside it if not given")
    bench.add_argument("--scale", type=float, default=1.0, help="factor on the simulated model's latencies")
    bench.add_argument("--rate", action="append", default=[], metavar="STATUS=SHARE", help="of model calls that fail")
    bench.add_argument("--text", type=Path, metavar="FILE", help="text to chunk; made if not given")
    bench.add_argument("--rows", default="1000,10000,100000", help="sizes of the index to search, comma-separated")
    bench.add_argument("--jobs", type=int, default=1000, help="how many jobs")
    bench.add_argument("--mongodb-uri", help="measure with this MongoDB as the job store")
    bench.add_argument("--corpus", type=Path, metavar="DIR", help="PDFs to read, scored where a manifest.csv says how")
    bench.add_argument("--engines", help="comma-separated; all but the slow ones if not given")
    bench.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds over all files (scale: of all sizes)")
    bench.add_argument("--seconds", type=float, default=300.0, help="limit of one engine for one file")
    bench.add_argument(
        "--plot", type=Path, metavar="FILE", help="memory and first page as .svg or .png; scale: a folder"
    )
    bench.add_argument("--no-growth", action="store_true", help="leave out memory against page count")
    bench.add_argument("--simulate", action="store_true", help="scale: only simulate, from the committed figures")
    bench.add_argument("--documents", type=int, default=1_000_000, help="scale: how many go through the simulation")
    bench.add_argument("--cpu-price", type=float, default=0.04, help="scale: assumed price of a vCPU hour")
    bench.add_argument(
        "--model-price", type=float, default=0.0, help="scale: assumed price of a document's model calls"
    )
    bench.add_argument("--model-calls", type=int, default=0, help="scale: calls of a model for each document")
    bench.add_argument("--quick", action="store_true", help="scale: only see that everything works")
    bench.add_argument("--keep", type=Path, metavar="DIR", help="keep each engine's Markdown there")
    faults = add("faults", "faults", "break everything that can break; check that nothing was lost", where=False)
    faults.add_argument("--only", nargs="+", type=int, metavar="N", help="numbers of the faults to run")
    faults.add_argument("--seed", type=int, default=1, help="for everything that is left to chance")
    faults.add_argument("--gateways", type=int, default=1, metavar="N", help="copies of the gateway in every stack")
    faults.add_argument("--mutations", action="store_true", help="take guards away and see that it is noticed")
    soak = add("soak", "soak", "one part under a random mix of good and hostile input; it must stay flat", where=False)
    soak.add_argument("what", choices=["extraction"])
    soak.add_argument("--minutes", type=float, default=10.0, help="how long")
    soak.add_argument("--method", default="auto", help="extraction method")
    soak.add_argument("--seed", type=int, default=1, help="for everything that is left to chance")
    soak.add_argument("--corpus", type=Path, action="append", metavar="DIR", help="further PDFs; may be given again")
    add("compile", "compile", "the reader as machine code again, after its sources have changed", where=False)
    commands.add_parser("test", help="all checks and tests; further arguments go to pytest", add_help=False)
    return parser


def _pictures(command: argparse.ArgumentParser) -> None:
    command.add_argument("--figures", action="store_true", help="also what pages draw, rendered as PNG")
    command.add_argument("--previews", action="store_true", help="also every page as a JPEG")


def _password(command: argparse.ArgumentParser) -> None:
    """Never as an argument: everybody on the machine can read those."""
    given = command.add_mutually_exclusive_group()
    given.add_argument("--password", action="store_true", help="ask for the PDF's password")
    given.add_argument("--password-file", type=Path, metavar="FILE", help="read it from FILE's first line (-: stdin)")


def _method(command: argparse.ArgumentParser) -> None:
    names = ", ".join(LOCAL_METHODS)
    command.add_argument("--method", default="auto", help=f"how pages are read: {names}, or a foreign worker's")
    command.add_argument("--ocr-languages", default="", metavar="LANGUAGES", help="of the text recognition, as deu+eng")


def main(argv: list[str]) -> int:
    """Run a command; the exit code is 0 only on success, 2 for a wrong call or input, 1 for a failed run."""
    if argv[:1] == ["test"]:
        from infra.cli.checks import test

        return test(argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    told = "--json" in argv
    try:
        arguments = build().parse_args(argv)
        module = importlib.import_module(arguments.module)
        code: int = getattr(module, arguments.function)(arguments)
        return code
    except ClientError as error:
        if told:
            print(json.dumps({"error": {"code": error.code, "message": error.message, "hint": error.hint}}))
        else:
            print(f"shadowtwin: {error.message} {error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130

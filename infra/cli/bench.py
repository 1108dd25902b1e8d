"""`bench`: measures this machine; figures are for comparing within one run."""

from __future__ import annotations

import argparse
import json
import sys

from infra.cli.failure import CliError


def bench(arguments: argparse.Namespace) -> int:
    """Run one benchmark and print its figures."""
    if arguments.what == "catalogue":
        return _catalogue(arguments)
    if arguments.what == "answers":
        return _answers(arguments)
    if arguments.what == "ingestion":
        return _ingestion(arguments)
    if arguments.what == "scale":
        return _scale(arguments)
    return _extraction(arguments) if arguments.what == "extraction" else _orchestration(arguments)


def _catalogue(arguments: argparse.Namespace) -> int:
    from infra.bench.catalogue import lines, run

    if arguments.pdf is None or not arguments.pdf.is_file():
        raise CliError("pdf_missing", "There is no catalogue to process.", "Name one: --pdf FILE.")
    found = run(arguments.pdf, max(arguments.scale, 0.0), arguments.rate)
    print(json.dumps(found) if arguments.json else "\n".join(lines(found)))
    return 0 if found["status"] == "completed" else 1


def _answers(arguments: argparse.Namespace) -> int:
    from infra.bench.answers import lines, run

    if arguments.pdf is None or not arguments.pdf.is_file():
        raise CliError("pdf_missing", "There is no catalogue to process.", "Name one: --pdf FILE.")
    truth = arguments.truth or arguments.pdf.with_name("truth.json")
    try:
        known = json.loads(truth.read_text())
    except (OSError, ValueError) as exc:
        raise CliError(
            "truth_missing", f"What is in the catalogue cannot be read: {exc}.", "Name it: --truth FILE."
        ) from exc
    found = run(arguments.pdf, known)
    print(json.dumps(found) if arguments.json else "\n".join(lines(found)))
    return 0 if found["status"] == "completed" else 1


def _ingestion(arguments: argparse.Namespace) -> int:
    from infra.bench.ingestion.run import lines, run

    if arguments.text is not None and not arguments.text.is_file():
        raise CliError("text_missing", "There is no text to chunk.", "Name a file: --text FILE.")
    try:
        sizes = [int(size) for size in arguments.rows.split(",") if size]
    except ValueError:
        raise CliError("rows_unknown", "Sizes are numbers.", "For example: --rows 1000,10000.") from None
    if any(not 100 <= size <= 5_000_000 for size in sizes):
        raise CliError("rows_unknown", "A size is between 100 and 5,000,000 rows.", "For example: --rows 1000,10000.")
    found = run(
        arguments.text,
        max(1, arguments.repeat),
        sizes,
        lambda text: print(f"bench: {text}", file=sys.stderr, flush=True),
    )
    print(json.dumps(found) if arguments.json else "\n".join(lines(found)))
    return 0 if all("error" not in row for row in found["chunking"].values()) else 1


def _scale(arguments: argparse.Namespace) -> int:
    from infra.bench.scale import plot
    from infra.bench.scale.demand import measured
    from infra.bench.scale.measure import QUICK, Sizes
    from infra.bench.scale.report import lines, simulated
    from infra.bench.scale.run import run

    if arguments.documents < 1_000 or arguments.model_calls < 0:
        raise CliError("bad_request", "A simulation needs 1,000 documents or more.", "Say --documents 1000000.", 2)
    if arguments.simulate:
        found = measured()
    else:
        sizes = QUICK if arguments.quick else Sizes()._replace(rounds=max(1, arguments.repeat))
        found = run(sizes, lambda text: print(f"bench: {text}", file=sys.stderr, flush=True))
    if arguments.json:
        print(json.dumps(found, indent=1), flush=True)
    if arguments.plot or not arguments.json:
        points, steps = simulated(found, arguments)
        if arguments.plot:
            plot.write(arguments.plot, points, steps)
        if not arguments.json:
            print("\n".join(lines(found, points, steps, arguments.documents)))
    return 0


def _orchestration(arguments: argparse.Namespace) -> int:
    from infra.bench.orchestration import run

    settings = {}
    if arguments.mongodb_uri:
        settings = {"SHADOWTWIN_STORE": "mongo", "SHADOWTWIN_MONGODB_URI": arguments.mongodb_uri}
    found = run(arguments.jobs, settings)
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=2))
    return 0 if found["ended"] == {"completed": arguments.jobs} else 1


def _extraction(arguments: argparse.Namespace) -> int:
    from infra.bench.extraction.engines import ALL, DEFAULT
    from infra.bench.extraction.plot import write_plot
    from infra.bench.extraction.references import corpus_files
    from infra.bench.extraction.report import lines
    from infra.bench.extraction.run import Options, run

    corpus = arguments.corpus
    if corpus is None or not corpus.is_dir() or not corpus_files(corpus):
        raise CliError("corpus_missing", "There is no PDF to read.", "Name a folder with PDFs: --corpus DIR.")
    engines = tuple(arguments.engines.split(",")) if arguments.engines else DEFAULT
    if unknown := sorted(set(engines) - set(ALL)):
        raise CliError("engine_unknown", f"Unknown engine: {', '.join(unknown)}.", f"Known: {', '.join(ALL)}.")
    if arguments.plot and arguments.plot.suffix.lower() not in (".svg", ".png"):
        raise CliError("plot_unknown", "A plot is an SVG or a PNG.", "Name a file that ends with .svg or .png.")
    options = Options(
        corpus,
        engines,
        repeat=max(1, arguments.repeat),
        seconds=arguments.seconds,
        growth=not arguments.no_growth or arguments.plot is not None,
        keep=arguments.keep,
    )
    found = run(options, lambda text: print(f"bench: {text}", file=sys.stderr, flush=True))
    if arguments.plot:
        write_plot(arguments.plot, found["growth"])
    print(json.dumps(found) if arguments.json else "\n".join(lines(found)))
    return 0 if found["engines"] else 1

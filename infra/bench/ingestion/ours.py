"""Our chunker on one text, measured as the peers are: both scales from one pass, in a fresh process.

python -m infra.bench.ingestion.ours windows|structure TEXT_FILE
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Load, warm up, measure."""
    from services.ingestor.chunks import make_chunks
    from shared.adapters.wordllama_tokens import WordLlamaTokenizer

    chunker, file = sys.argv[1:]
    text = Path(file).read_text(encoding="utf-8")
    tokenizer = WordLlamaTokenizer()
    tokenizer.spans("load the model")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    chunks = sum(1 for _ in make_chunks(text, {}, "bench", tokenizer=tokenizer, chunker=chunker))
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"chunks": chunks, "cpu_seconds": seconds, "grown_mb": grown / 1024}))


if __name__ == "__main__":
    main()

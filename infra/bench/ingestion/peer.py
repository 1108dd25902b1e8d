"""One chunker of other makers on one text, in the peers' environment: prints one JSON line. Knows nothing of ours.

    python peer.py NAME TEXT_FILE

Each gets the same tokenizer, WordLlama's, and the same size: windows of 200 tokens with the 60 before it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CORE, OVERLAP = 200, 60


def raw(tokenizer: Any) -> Callable[[str], int]:
    """Tokenising alone, page by page: the limit of whoever asks the tokenizer for every text."""
    return lambda text: sum(
        len(tokenizer.encode(text[at : at + 20_000], add_special_tokens=False)) for at in range(0, len(text), 20_000)
    )


def chonkie(tokenizer: Any) -> Callable[[str], int]:
    """Exact token windows."""
    from chonkie import TokenChunker

    chunker = TokenChunker(tokenizer, chunk_size=CORE + OVERLAP, chunk_overlap=OVERLAP)
    return lambda text: len(chunker.chunk(text))


def semchunk(tokenizer: Any) -> Callable[[str], int]:
    """Splits at the best separators below a token count; no exact windows."""
    import semchunk as package

    chunker = package.chunkerify(lambda text: len(tokenizer.encode(text, add_special_tokens=False)), CORE + OVERLAP)
    return lambda text: len(chunker(text))


def langchain(tokenizer: Any) -> Callable[[str], int]:
    """Exact token windows."""
    from langchain_text_splitters.base import Tokenizer, split_text_on_tokens

    settings = Tokenizer(
        chunk_overlap=OVERLAP,
        tokens_per_chunk=CORE + OVERLAP,
        decode=tokenizer.decode,
        encode=lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
    )
    return lambda text: len(split_text_on_tokens(text=text, tokenizer=settings))


def llama_index(tokenizer: Any) -> Callable[[str], int]:
    """Words and sentences below a token count; no exact windows."""
    from llama_index.core.node_parser import TokenTextSplitter

    splitter = TokenTextSplitter(
        chunk_size=CORE + OVERLAP,
        chunk_overlap=OVERLAP,
        tokenizer=lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
    )
    return lambda text: len(splitter.split_text(text))


PEERS = {peer.__name__: peer for peer in (raw, chonkie, semchunk, langchain, llama_index)}
EXACT = ("chonkie", "langchain")
"""Those that keep exact token windows."""


def main() -> None:
    """Load, warm up, measure."""
    import wordllama

    name, file = sys.argv[1:]
    text = Path(file).read_text(encoding="utf-8")
    loaded = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    loaded.tokenizer.no_padding()
    loaded.tokenizer.no_truncation()
    chunk = PEERS[name](loaded.tokenizer)
    chunk(text[:2_000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    chunks = chunk(text)
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"chunks": chunks, "cpu_seconds": seconds, "grown_mb": grown / 1024}))


if __name__ == "__main__":
    main()

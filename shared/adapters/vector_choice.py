"""Which vector store and embedder the settings name. Vendor packages are imported when they are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.adapters.index_identity import IndexIdentity
from shared.adapters.model_limits import ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.open_on_use import OpenOnUse
from shared.adapters.vector_process import AwayEmbedder, AwayVectors, VectorProcess
from shared.errors import ConfigurationError
from shared.ports import FIRST_VERSION, Embedder, VectorStore
from shared.settings import read_optional_secret, read_secret


class VectorSettings(BaseSettings):
    """Prefix SHADOWTWIN_. Without any of these: LanceDB in the data folder and WordLlama, no account needed."""

    model_config = SettingsConfigDict(
        env_prefix="SHADOWTWIN_", env_ignore_empty=True, extra="ignore", protected_namespaces=()
    )

    vector_index: str = ""
    """Name of the table or collection, if not the usual one; an embedder needs an index of its own."""
    vector_store: Literal["lancedb", "pinecone", "milvus"] = "lancedb"
    """Where vectors are kept."""
    embedder: Literal["wordllama", "fastembed", "openai"] = "wordllama"
    """`wordllama` and `fastembed` run here, `openai` asks an OpenAI-compatible endpoint."""
    pinecone_host: str = ""
    """The index's own address at Pinecone."""
    pinecone_api_key_file: Path | None = None
    """A file with the key of Pinecone."""
    milvus_uri: str = ""
    """Milvus, as http://host:19530."""
    milvus_token_file: Path | None = None
    """A file with the token of Milvus."""
    embedding_base_url: str = ""
    """The endpoint of the `openai` embedder, as http://host:port/v1."""
    embedding_model: str = ""
    """The embedding model."""
    embedding_dimension: int = 0
    """The length of its vectors."""
    embedding_version: str = FIRST_VERSION
    """Raise it when the same model's name gives other vectors than before."""
    fastembed_dir: Path | None = None
    """Where models of fastembed lie."""
    fastembed_download: bool = False
    """Whether fastembed may fetch its model."""
    embedding_api_key_file: Path | None = None
    """A file with the endpoint's key."""
    embedding_in_flight: int = 10
    """The most embedding calls at a time."""
    embedding_requests_per_minute: float = 0.0
    """The most embedding calls a minute; 0: no limit."""
    embedding_tokens_per_minute: float = 0.0
    """The most tokens a minute; 0: no limit."""
    model_prices: str = ""
    """A price table, as JSON or a file's path."""
    model_open_seconds: float = 15.0
    """How long an endpoint that fails is left alone at first."""
    model_open_seconds_most: float = 300.0
    """How long it is left alone at most."""


def choose_embedder(
    settings: VectorSettings, limits: ModelLimits | None = None, *, away: VectorProcess | None = None
) -> Embedder:
    """The embedder; one that calls an endpoint takes its turns from `limits`. With `away` WordLlama works in that
    process. Raises ConfigurationError for an
    incomplete setting."""
    if settings.embedder == "wordllama":
        from shared.adapters.wordllama_embedder import WordLlamaEmbedder

        if away is not None:
            own = WordLlamaEmbedder
            return AwayEmbedder(away, own.name, own.dimension, own.version)
        return WordLlamaEmbedder()
    if settings.embedder == "fastembed":
        from shared.adapters.fastembed_embedder import FastembedEmbedder

        return FastembedEmbedder(
            settings.embedding_model,
            settings.fastembed_dir,
            download=settings.fastembed_download,
            version=settings.embedding_version,
        )
    if not (settings.embedding_base_url and settings.embedding_model and settings.embedding_dimension):
        raise ConfigurationError(
            "misconfigured",
            "The openai embedder needs SHADOWTWIN_EMBEDDING_BASE_URL, _EMBEDDING_MODEL and _EMBEDDING_DIMENSION.",
        )
    from shared.adapters.openai_embedder import EmbeddingEndpoint, OpenAIEmbedder

    return OpenAIEmbedder(
        EmbeddingEndpoint(
            base_url=settings.embedding_base_url,
            api_key=read_secret(settings.embedding_api_key_file, "SHADOWTWIN_EMBEDDING_API_KEY_FILE"),
            model=settings.embedding_model,
            dimension=settings.embedding_dimension,
            version=settings.embedding_version,
            concurrency=settings.embedding_in_flight,
            requests_per_minute=settings.embedding_requests_per_minute,
            tokens_per_minute=settings.embedding_tokens_per_minute,
            open_seconds=settings.model_open_seconds,
            open_seconds_most=settings.model_open_seconds_most,
        ),
        limits,
        Prices(settings.model_prices),
    )


def choose_vectors(
    settings: VectorSettings,
    data_dir: Path,
    embedder: Embedder,
    *,
    upkeep: bool = True,
    away: VectorProcess | None = None,
) -> VectorStore:
    """The vector store, opened at its first use; `upkeep` says whether this process compacts it when idle. With `away`
    LanceDB is opened in that process."""
    identity = IndexIdentity(embedder.name, embedder.dimension, embedder.version)
    return OpenOnUse(named_store(settings, data_dir, identity, host=settings.pinecone_host, upkeep=upkeep, away=away))


def named_store(
    settings: VectorSettings,
    data_dir: Path,
    made_by: IndexIdentity,
    *,
    suffix: str = "",
    host: str,
    upkeep: bool,
    away: VectorProcess | None = None,
) -> VectorStore:
    """A store of the kind that the settings name, for vectors of that embedder. `suffix` makes it another table or
    collection, `host` is its index at Pinecone. Raises ConfigurationError for an incomplete setting."""
    name, dimension, version = made_by
    if settings.vector_store == "lancedb":
        table = f"{settings.vector_index or 'vectors'}{suffix}"
        if away is not None:
            return AwayVectors(away, str((data_dir / "vectors").absolute()), table, made_by, upkeep=upkeep)
        from shared.adapters.lancedb_vectors import LanceVectors

        return LanceVectors(data_dir / "vectors", name, dimension, table=table, version=version, upkeep=upkeep)
    if settings.vector_store == "milvus":
        if not settings.milvus_uri:
            raise ConfigurationError("misconfigured", "Milvus needs SHADOWTWIN_MILVUS_URI, as http://host:19530.")
        from shared.adapters.milvus_vectors import MilvusVectors

        token = read_optional_secret(settings.milvus_token_file, "SHADOWTWIN_MILVUS_TOKEN_FILE")
        collection = f"{settings.vector_index or 'shadowtwin'}{suffix}"
        return MilvusVectors(settings.milvus_uri, token, name, dimension, version=version, collection=collection)
    if not host:
        raise ConfigurationError("misconfigured", "Pinecone needs SHADOWTWIN_PINECONE_HOST, the index's own address.")
    from shared.adapters.pinecone_vectors import PineconeVectors

    key = read_secret(settings.pinecone_api_key_file, "SHADOWTWIN_PINECONE_API_KEY_FILE")
    return PineconeVectors(api_key=key, host=host, embedder=name, dimension=dimension, version=version)

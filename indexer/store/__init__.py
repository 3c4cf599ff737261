"""A library on disk: the catalog, the vectors, thumbnails, and what keeps them whole.

The catalog (SQLite: `schema`, `catalog`, `catalog_writer`, `embeddings`) decides what exists. Vectors lie behind the
protocol of `vectors`, in files (`file_store`, and `hnsw`'s graph derived from them) or on a server (`qdrant_store`).
`disk` names errors and holds the lock, `maintenance` compacts and verifies, `backup` keeps a copy of the catalog.

Imports `indexer.photos`, `indexer.encoders` and what is below them. Must not import `indexer.search` or
`indexer.indexing`, which are built on it.
"""

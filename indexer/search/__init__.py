"""Photos out: the steps behind `indexer.library`."""

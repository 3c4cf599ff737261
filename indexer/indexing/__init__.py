"""Photos in: the steps behind `indexer.pipeline`."""

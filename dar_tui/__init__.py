"""The `dar` command: dialogue, imagination, fusion and the terminal in front of an `indexer` library."""

"""Photos in: an index run from a folder to the last commit. `run.index(...)` is the door; it yields `events`.

`plan` compares a scan with the catalog, `reading` turns files into pixels and vectors, `writer` is the one writer of a
library, `captioning` describes photos afterwards, and `repair` makes a damaged library sound again.

Imports `indexer.search` (for what is measured over a library) and all that is below it. Must not print, and must not
know who asked.
"""

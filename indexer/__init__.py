"""Photos in, a searchable library out.

`library.Library` opens a library for searching, `indexing.run.index` fills one. Below them, each importing only what
stands further down: `indexing`, `search`, `store`, `encoders` and `photos`, `runtime` (models' files, devices), and
`files`, `paths`, `printable`, `errors`.

Knows nothing of dialogues, terminals or `dar_tui`. Importing this package loads nothing heavy; numpy, Pillow and the
encoders load with the modules that need them.
"""

"""Benchmarks: dialogues and captions in; ranks, figures and comparisons out.

- `datasets`: dialogues, rewrites and captioned photos, and the query texts of every turn
- `corpus`, `pictures`: photos and generated images as vectors; resumed after an interruption
- `experiment`: dialogues against a corpus, in numbered steps; `live`: whole sessions with a `simulated_user`
- `metrics`, `report`, `table`: ranks and figures; journals and reports; what people read

May import the session and all below it; not `cli` or `tui`. Importing this package loads none of its modules.
"""

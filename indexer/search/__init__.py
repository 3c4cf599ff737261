"""Searching: from weighted vectors and conditions to hits, each with how strong it is.

`searching` runs a query over one committed state, `ranking` scores, fuses and folds copies, `strength` compares a match
with chance in this very library, `where` filters by date, folder, camera and place, `hits` adds paths and facts.

Imports `indexer.store` and what is below it. Must not import `indexer.indexing`: a search changes nothing.
"""

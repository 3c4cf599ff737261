"""How the bundled encoder's heads were trained. Not needed, and not imported, to index or to search.

`python -m indexer.encoders.bundled.training --photos DIR --captions TSV --work DIR` repeats it.
"""

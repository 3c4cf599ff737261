"""How the bundled generator was trained. Not needed, and not imported, to imagine.

`python -m dar_tui.imagine.bundled.training --photos DIR --captions TSV --work DIR` repeats it.
"""

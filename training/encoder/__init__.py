"""Training of the bundled encoder's heads: `python -m training.encoder --photos DIR --captions TSV --work DIR`.

`data` reads and caches photos and captions, `loop` fits one member of the ensemble, `__main__` joins and saves them.
"""

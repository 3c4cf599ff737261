"""Training of the bundled generator: `python -m training.generator --photos DIR --captions TSV --work DIR`."""

"""Training of the bundled encoder and generator. Run from a checkout; not part of the installed package.

`python -m training.encoder` trains the encoder's heads, `python -m training.generator` then the generator, both
from captioned photos (`--photos`, `--captions`, `--work`). May import `indexer` and `dar_tui`; neither imports it.
"""

"""Photos in, a searchable library out.

Knows files, pixels, embeddings and storage. Knows nothing of dialogues, terminals or `dar_tui`.
Importing this package loads nothing heavy; numpy, Pillow and the encoders load with the modules that need them.
"""

"""F_t: the dialogue, generated images and feedback as one `indexer` query, and the photos that pass its filters.

- `evidence`: what is known as vectors, and whether an image agrees with the text
- `strategies`: the paper's and others' ways to weigh them; pure functions of vectors
- `finding`: the photos of a query that meet the need's days, places and folders

May import imagine (its values), reformulate, dialogue, language and `indexer`; not questions or session. Importing it
loads nothing.
"""

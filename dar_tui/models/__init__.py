"""Model weights that do not ship with dar.

- `catalogue`: known models with size and licence, and what this machine can run
- `hub_files`: what a model spec needs from the hub, and what of it is already downloaded
- `pulling`: downloads that resume and are verified; the only code that reaches the hub
- `profiles`: the profile used where none was chosen, and the list `dar models` shows

May import `settings`, `profiles` and `indexer`; nothing of sessions or terminals. Importing it loads no model library.
"""

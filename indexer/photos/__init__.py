"""Files and pixels: which files are photos, what is in one, and when and where it was taken.

`scan` lists a folder, `formats` says what is worth opening, `photo` opens one file (with `pixels`, and `decoders` and
`extras` for what needs a process of its own: `extras_decoder.py` and `raw_decoder.py` are the programs those run).
`metadata` is what a photo's bytes say of its making, `file_facts` what its name, folders and sidecars do, `facts` which
of them to trust; `places` names a position.

Imports Pillow and numpy. Must not import an encoder, the catalog, or anything that writes.
"""

"""Q_t: the question whose answer would tell most about which of the current candidates is the photo.

`bank` holds what can be asked, `candidates` the photos it is asked about, `selection` what is worth asking, `wording`
how a language model may put it, `asking` all of it together. Importing this package loads none of them.
"""

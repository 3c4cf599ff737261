"""Q_t: the question whose answer is expected to say most about which of the current candidates is the photo.

- `questioner`: the candidates, the questions proposed about them, and a language model's wording of one
- `selection`: what is worth asking; pure functions over the bank, the need and arrays
- `bank`: what can be asked (bank.json, slots.json), and its vectors

May import fusion, dialogue, language and `indexer`; not session. What becomes of answers is `dialogue.need`'s business.
Importing it loads nothing.
"""

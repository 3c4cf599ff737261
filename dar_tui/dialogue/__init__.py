"""The dialogue context C_t as data, and the need it adds up to.

- `dialogue`: messages, questions and opinions in order, and their JSON
- `hearing`: what a message becomes: a description, or a remark about the search, its effect and its answer
- `need`: what all of it wants, rejects and does not know, and when and where; how later messages and changed chips
  change earlier ones

A single message is read by `dar_tui.language.rules`. May import language, `indexer.errors` and `indexer.printable`; not
reformulate, fusion, questions or session. Knows no photos, no vectors and no files. Importing it loads nothing.
"""

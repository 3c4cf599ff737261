"""The field's experiments on one's own machine: dialogues and captions in, ranks and what they add up to out.

`dialogs` and `captions` read the files, `corpus` and `pictures` make vectors, `experiment` plays dialogues against a
corpus, `live` plays whole sessions with a simulated user; `metrics` and `report` say what came of it. Importing this
package loads none of them.
"""

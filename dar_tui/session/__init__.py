"""One dialogue with a library: Algorithm 1 of the DAR paper and the session around it.

- `session`: the public door, `Session`: turns, feedback, cancelling, resuming
- `algorithm`: Algorithm 1 as numbered steps; `page` (evidence -> query -> photos) and `drawing` are its larger steps
- `state`: what the turns of a session share and change, and what a session is made from
- `events`: what a turn yields; `transcript`: the session's file

May import questions, fusion, imagine, reformulate, dialogue, language and `indexer`; not cli, tui or evaluation, and no
terminal library. Importing it loads no model.
"""

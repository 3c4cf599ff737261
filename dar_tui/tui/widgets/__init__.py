"""What the screens are made of: the prompt, the transcript, pictures in tiles, and the lines around them.

A widget shows what it is given and posts what the user did. May import `graphics`, `keymap`, `conversation` and
`wording`; no screen, no engine, no controller.
"""

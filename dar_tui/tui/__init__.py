"""The terminal app: shows a session's events and hands it what the user wants. Finds, ranks and imagines nothing.

`app` is the door: `DarApp` on a `ChatEngine` (`engine`: the protocol, `session_engine`: the real one, with its models
from `models`). `screens` are what fills the terminal, `widgets` what they are made of, `graphics` how pictures become
cells. `controller` keeps the state of the chat, `conversation` the turns as they are shown, `keymap` every key.

May import `dar_tui.session`, what lies below it, and the indexer; only `session_engine` and `models` import what finds,
and only inside functions, after the first paint. Must not import `dar_tui.cli`, a model library or numpy at the top.
"""

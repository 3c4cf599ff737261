"""The weights that do not ship with dar: which there are, which are here, what this machine can run, and fetching them.

Importing this module, or any of this room, loads no model library and nothing of the hub's client but its constants.
"""

"""Pictures as terminal cells: which way a terminal can show them, painting in a thread, one painter for each protocol.

Knows files, pixels and terminals; nothing of hits, sessions or widgets. Of the project it imports only the indexer's
photo reader. Imaging libraries are imported in the painting thread.
"""

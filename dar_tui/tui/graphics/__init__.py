"""Pictures as terminal cells. Knows files, pixels and terminals; nothing of hits, sessions or widgets."""

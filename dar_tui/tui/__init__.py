"""The terminal app: shows what a session says and tells it what the user wants. Finds, ranks and imagines nothing."""

"""One dialogue: Algorithm 1, the session around it, and the record kept of it."""

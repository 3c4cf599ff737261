"""What was said, C_t, and the need it adds up to."""

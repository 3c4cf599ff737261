"""Coverage-guided fuzzing of everything that reads what strangers wrote; `targets` says what must hold of each."""

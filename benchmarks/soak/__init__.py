"""Abuse that takes minutes or root: each module breaks a library in one way and says what came of it."""

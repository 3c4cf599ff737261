"""F_t: query and imagined vectors become one ranking, and the ranking a page."""

"""What a library keeps on disk: the catalog, vectors, graphs and thumbnails."""

"""Whole screens, one noun each. All are opaque: pictures of real pixels can neither be covered nor shine through."""

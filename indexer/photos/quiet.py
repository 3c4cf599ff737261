"""Keeps decoders from writing to the terminal, which belongs to progress bars and interfaces.

Knows nothing of photos. What a decoder has to say about a file arrives as an exception all the same.
"""

from __future__ import annotations

import ctypes
import logging
import warnings
from importlib.util import find_spec


def silence_decoders() -> None:
    """Turns off what Pillow warns and logs and what libtiff prints. Cheap to repeat, safe in threads."""
    # `warnings.catch_warnings` is not safe in threads, so the filter, narrow and the same every time, stays.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        # Without any handler Python prints errors that are only logged.
        logger.addHandler(logging.NullHandler())
    # libtiff writes to the process's stderr itself, and Pillow gives no way to stop it; the symbol is found through
    # Pillow's extension module, which is linked to it. Where it is not found, messages are printed: no worse than that.
    extension = find_spec("PIL._imaging")
    try:
        libtiff = ctypes.CDLL(extension.origin if extension else None)
        for set_handler in (libtiff.TIFFSetErrorHandler, libtiff.TIFFSetWarningHandler):
            set_handler(None)
    except (AttributeError, OSError):
        return

"""Loading large model libraries in a thread without stalling the interface's.

Threads share one interpreter lock. Two things hold it for long while torch and diffusers are imported, and both can be
kept from doing so. Measured on 2 cores, worst gaps in the event loop: 238 and 236 ms as they are, 42 to 63 ms here.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

# In the order torch opens them; libtorch_python needs all that is not named.
_TORCH = (("libtorch_global_deps.so", True), ("libtorch_cpu.so", False), ("libtorch_python.so", False))


@contextmanager
def unnoticed() -> Iterator[None]:
    """What is imported and loaded inside stalls no other thread for long."""
    open_torch()
    # Every full collection looks at all objects there are, which imports make by the hundred thousand and keep.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # What a library made at import stays for good: later collections need not look at it again.
        gc.freeze()
        if was_on:
            gc.enable()


def open_torch() -> None:
    """Opens torch's shared libraries: Python's own import of them holds the lock, a foreign function does not.

    On Linux. What cannot be opened is left to torch, which says what is wrong with it.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return
    with suppress(ImportError, OSError, AttributeError, ValueError):
        spec = find_spec("torch")
        if spec is None or spec.origin is None:
            return
        open_library = ctypes.CDLL(None).dlopen
        open_library.restype, open_library.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
        for name, is_global in _TORCH:
            library = Path(spec.origin).with_name("lib") / name
            if library.is_file():
                open_library(os.fsencode(library), os.RTLD_NOW | (os.RTLD_GLOBAL if is_global else os.RTLD_LOCAL))

"""The models the app runs with, and loading them so that the interface does not stall.

Threads share one interpreter lock. Two things hold it for long while torch and diffusers are imported, and both can be
kept from doing so. Measured on 2 cores, worst gaps in the event loop: 238 and 236 ms as they are, 42 to 63 ms here.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from dar_tui.tui.engine import Report
from indexer.errors import EncoderMismatch, ModelUnavailable

if TYPE_CHECKING:
    from dar_tui.imagine.worker import AnyGenerator, LoadGenerator
    from dar_tui.session.session import SessionParts as Parts
    from indexer.encoders import Encoder
    from indexer.library import Library

T = TypeVar("T")
_FALLBACK = "bundled"


class AppModels(Protocol):
    """The models that were asked for. `generator`, `profile`: their names; "" for no generator.

    `encoder`: the encoder whose vectors are to be searched; "" for the one each library uses.
    """

    @property
    def encoder(self) -> str: ...

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know of them, such as one that is missing and what is used instead."""
        ...

    @property
    def generator(self) -> str: ...

    @property
    def profile(self) -> str: ...

    @property
    def new_spec(self) -> str:
        """The encoder of a library that has none yet."""
        ...

    def load_encoder(self, spec: str, report: Report) -> Encoder: ...

    def encoder_of(self, library: Library, report: Report) -> Encoder:
        """The encoder a library was made with. Raises EncoderMismatch where it is not the same any more."""
        ...

    def parts(self, library: Library, encoder: Encoder, report: Report) -> Parts: ...


def open_with_encoder(
    path: Path, name: str, load: Callable[[Library], Encoder]
) -> tuple[Library, Encoder, tuple[str, ...]]:
    """The library at `path`, searched with the encoder called `name` ("": the active one), that encoder, and notes.

    Where the encoder's weights are not on this machine, and the library has vectors of the bundled one, that is used
    and a note says so; else ModelUnavailable says how to get them. Raises what `Library.open` and `load` do.
    """
    from indexer.library import Library

    library = Library.open(path, name)
    try:
        return library, load(library), ()
    except ModelUnavailable as error:
        library.close()
        if name:
            raise
        try:
            library = Library.open(path, _FALLBACK)
        except EncoderMismatch:
            raise error from None
        try:
            note = f"{error.message} {error.hint} Using `{_FALLBACK}` instead."
            return library, load(library), (note,)
        except BaseException:
            library.close()
            raise
    except BaseException:
        library.close()
        raise


class Lazy(Generic[T]):
    """Calls `make` when first called, from whatever thread; a failure is tried again by the next call."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._lock = threading.Lock()

    @property
    def is_made(self) -> bool:
        """Whether it is there already."""
        return bool(self._made)

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


def load_generator(load: LoadGenerator, *, uses_torch: bool = True) -> AnyGenerator:
    """The generator with its models, which some would load with the first picture."""
    from dar_tui.imagine import Preloadable

    if uses_torch:
        open_torch()
    with without_stalls():
        generator = load()
        if isinstance(generator, Preloadable):
            generator.load()
    return generator


# In the order torch opens them; libtorch_python needs all that is not named.
_TORCH = (("libtorch_global_deps.so", True), ("libtorch_cpu.so", False), ("libtorch_python.so", False))


@contextmanager
def without_stalls() -> Iterator[None]:
    """What is imported and loaded inside stalls no other thread for long."""
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

"""Pictures painted ahead of the eye: asked for on the interface's thread, painted in one of its own, kept for a while.

The one place where pictures are kept, up to so many bytes: those on screen, and of the others those seen last. Knows
requests and painters; not what the pictures are of, nor where they are shown.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from dar_tui.tui.graphics.picture import NoPicture, Painted, PicturePainter, Request, Unpaintable, load

logger = logging.getLogger(__name__)

Result = Painted | Unpaintable
# A thumbnail of 22x7 half-blocks weighs 100 to 150 kB, so these are nine screens full of 24 of them and more; a photo
# that fills a terminal of 200x60 weighs 5 to 9 MB, one of 400x100 15 to 30.
CAPACITY = 32_000_000


class Gallery:
    """Paints in one daemon thread, started when first needed; the other cores are the models' and the interface's.

    `make_painter` is called in that thread, since importing imaging libraries takes a while. `ready` is called there
    too, with every picture that is done. `send` writes to the terminal what pictures need there. `capacity`: bytes kept
    (`weight`), beyond which only what is shown now stays.
    """

    def __init__(
        self,
        make_painter: Callable[[], PicturePainter],
        ready: Callable[[Request], None],
        send: Callable[[str], None] = lambda text: None,
        capacity: int = CAPACITY,
    ) -> None:
        self._make_painter = make_painter
        self._ready = ready
        self._send = send
        self._capacity = capacity
        self._lock = threading.Condition()
        self._wanted: dict[Hashable, list[Request]] = {}
        self._shown: dict[Hashable, frozenset[Request]] = {}
        self._kept: OrderedDict[Request, Result] = OrderedDict()
        self._weight = 0
        self._painting: Request | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def weight(self) -> int:
        """Bytes that the pictures kept take up, about."""
        return self._weight

    def get(self, request: Request) -> Result | None:
        """The picture if it is painted. Never waits for painting."""
        with self._lock:
            result = self._kept.get(request)
            if result is not None:
                self._kept.move_to_end(request)
            return result

    def want(self, owner: Hashable, requests: Sequence[Request]) -> None:
        """Says what `owner` shows now, first things first; what it wanted before and no longer does is not painted."""
        with self._lock:
            there = {*self._kept, self._painting}
            self._shown[owner] = frozenset(requests)
            self._wanted[owner] = [request for request in requests if request not in there]
            if self._wanted[owner] and not self._closed:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="dar-paint", daemon=True)
                    self._thread.start()
                self._lock.notify()

    def leave(self, owner: Hashable) -> None:
        """Forgets an owner that is shown no more."""
        with self._lock:
            self._wanted.pop(owner, None)
            self._shown.pop(owner, None)

    def forget(self) -> None:
        """Drops every picture, as when the terminal lost them."""
        with self._lock:
            kept, self._kept, self._weight = list(self._kept.values()), OrderedDict(), 0
        self._take_down(kept)

    def close(self) -> None:
        """Ends the thread after the picture it paints, and frees what the terminal holds."""
        with self._lock:
            self._closed = True
            self._wanted.clear()
            self._lock.notify()
        self.forget()

    def _work(self) -> None:
        painter: PicturePainter | None = None
        while (request := self._next()) is not None:
            result: Result
            try:
                painter = painter or self._make_painter()
                result = _painted(painter, request)
            # Decoders and terminals fail in ways of their own; a picture that cannot be shown is never worth a crash.
            except Exception:
                logger.exception("A picture could not be painted.")
                result = Unpaintable("cannot be shown")
            self._keep(request, result)
            self._ready(request)

    def _next(self) -> Request | None:
        with self._lock:
            while not self._closed:
                for requests in self._wanted.values():
                    while requests:
                        request = requests.pop(0)
                        # Another owner may have wanted it too.
                        if request not in self._kept:
                            self._painting = request
                            return request
                self._lock.wait()
            return None

    def _keep(self, request: Request, result: Result) -> None:
        if isinstance(result, Painted) and result.setup:
            # Before anyone can show it. The terminal has the pixels then; they need not be kept here as well.
            self._send(result.setup)
            result = replace(result, setup="")
        with self._lock:
            self._painting = None
            if self._closed:
                dropped = [result]
            else:
                self._kept[request] = result
                self._weight += result.weight
                dropped = self._drop_oldest()
        self._take_down(dropped)

    def _drop_oldest(self) -> list[Result]:
        # What is on screen is drawn again from here at every scroll; nobody would ask for it once more.
        shown = frozenset[Request]().union(*self._shown.values())
        dropped: list[Result] = []
        for request in list(self._kept):
            if self._weight <= self._capacity:
                break
            if request not in shown:
                dropped.append(self._kept.pop(request))
                self._weight -= dropped[-1].weight
        return dropped

    def _take_down(self, results: Sequence[Result]) -> None:
        text = "".join(result.teardown for result in results if isinstance(result, Painted))
        if text:
            self._send(text)


def _painted(painter: PicturePainter, request: Request) -> Result:
    try:
        image, gone = load(request.source, request.side)
    except NoPicture as error:
        return Unpaintable(str(error))
    painted = painter.paint(image, request.columns, request.lines)
    return replace(painted, gone=gone)

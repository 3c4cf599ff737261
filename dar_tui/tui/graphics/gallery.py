"""Pictures painted ahead of the eye: asked for on the interface's thread, painted in one of its own, kept for a while.

Knows requests and painters; not what the pictures are of, nor where they are shown.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from dar_tui.tui.graphics.loading import NoPicture, load
from dar_tui.tui.graphics.picture import Painted, Painter, Request, Unpaintable

logger = logging.getLogger(__name__)

Result = Painted | Unpaintable
# A thumbnail of 24x8 half-blocks is about 100 kB of segments; 160 are six screens full, and 16 MB at most.
CAPACITY = 160


class Gallery:
    """Paints in one daemon thread, started when first needed; the other cores are the models' and the interface's.

    `make_painter` is called in that thread, since importing imaging libraries takes a while. `ready` is called there
    too, with every picture that is done. `send` writes to the terminal what pictures need there.
    """

    def __init__(
        self,
        make_painter: Callable[[], Painter],
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
        self._kept: OrderedDict[Request, Result] = OrderedDict()
        self._in_hand: Request | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

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
            there = {*self._kept, self._in_hand}
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

    def forget(self) -> None:
        """Drops every picture, as when the terminal lost them."""
        with self._lock:
            kept, self._kept = list(self._kept.values()), OrderedDict()
        self._take_down(kept)

    def close(self) -> None:
        """Ends the thread after the picture in hand, and frees what the terminal holds."""
        with self._lock:
            self._closed = True
            self._wanted.clear()
            self._lock.notify()
        self.forget()

    def _work(self) -> None:
        painter: Painter | None = None
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
                            self._in_hand = request
                            return request
                self._lock.wait()
            return None

    def _keep(self, request: Request, result: Result) -> None:
        dropped: list[Result] = []
        if isinstance(result, Painted) and result.setup:
            # Before anyone can show it. The terminal has the pixels then; they need not be kept here as well.
            self._send(result.setup)
            result = replace(result, setup="")
        with self._lock:
            self._in_hand = None
            if self._closed:
                dropped.append(result)
            else:
                self._kept[request] = result
            while len(self._kept) > self._capacity:
                dropped.append(self._kept.popitem(last=False)[1])
        self._take_down(dropped)

    def _take_down(self, results: Sequence[Result]) -> None:
        text = "".join(result.teardown for result in results if isinstance(result, Painted))
        if text:
            self._send(text)


def _painted(painter: Painter, request: Request) -> Result:
    try:
        image, gone = load(request.source, request.side)
    except NoPicture as error:
        return Unpaintable(str(error))
    painted = painter.paint(image, request.columns, request.lines)
    return replace(painted, gone=gone)

"""A session against a simple model: whatever is said, liked, cancelled, killed and resumed, both hold the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dar_tui.dialogue.need import ChipEdit, ChipKind
from dar_tui.session.events import Event, Results, TurnDone, TurnFailed
from dar_tui.session.session import Session
from dar_tui.session.transcript import Log, Started
from tests.session.event_lists import of
from tests.session.world import NAMES, NOON, OPTIONS, PaintGenerator, World, fixed

COLOURS = st.sampled_from(NAMES)


@dataclass(frozen=True)
class Model:
    """What a session should hold: nothing but sets and lists of what was said."""

    wants: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()
    liked: frozenset[str] = frozenset()
    unliked: frozenset[str] = frozenset()
    ruled_out: frozenset[str] = frozenset()

    def wanting(self, colour: str) -> Model:
        text = f"something {colour}"
        wants = self.wants if text in self.wants else (*self.wants, text)
        return replace(self, wants=wants, rejects=tuple(each for each in self.rejects if each not in (colour, text)))

    def rejecting(self, colour: str) -> Model:
        # A colour that is taken out of "something red" leaves something.
        wants = tuple(dict.fromkeys("something" if want == f"something {colour}" else want for want in self.wants))
        rejects = self.rejects if colour in self.rejects else (*self.rejects, colour)
        return replace(self, wants=tuple(want for want in wants if want != "something"), rejects=rejects)


@dataclass
class Past:
    """The model now, and what each step can be taken back to."""

    now: Model = field(default_factory=Model)
    before: list[Model] = field(default_factory=list)

    def step(self, model: Model) -> None:
        self.before.append(self.now)
        self.now = model


class Sessions(RuleBasedStateMachine):
    """Steps that a user takes, in any order."""

    world: World

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world.folder = Path(self.folder.name)
        self.session = self.world.session(PaintGenerator(), pictures=1)
        self.past = Past()
        self.numbers = 0
        self.shown: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self.session.close()
            self.folder.cleanup()

    def play(self, message: str, cancel_after: int = 1000) -> list[Event]:
        events: list[Event] = []
        for event in self.session.turn(message):
            events.append(event)
            if len(events) == cancel_after:
                self.session.cancel()
        assert not of(events, TurnFailed) and isinstance(events[-1], TurnDone)
        self.numbers += 1
        self.shown = [str(hit.image_id) for hit in of(events, Results)[-1].hits] if of(events, Results) else self.shown
        return events

    @property
    def described(self) -> bool:
        return bool(self.session.dialogue.turns)

    @rule(colour=COLOURS, cancel_after=st.sampled_from([1, 2, 4, 1000, 1000, 1000]))
    def want(self, colour: str, cancel_after: int) -> None:
        self.play(f"something {colour}", cancel_after)
        self.past.step(self.past.now.wanting(colour))

    @precondition(lambda self: self.described)
    @rule(colour=COLOURS)
    def reject(self, colour: str) -> None:
        if f"something {colour}" in self.past.now.wants:
            return  # What is left of "something red" without its red is for other tests.
        self.play(f"no {colour}")
        self.past.step(self.past.now.rejecting(colour))

    @precondition(lambda self: self.described and self.shown)
    @rule(place=st.integers(1, 12), says=st.sampled_from(["number {} is close", "photo {} is it", "like {}"]))
    def like(self, place: int, says: str) -> None:
        known = 1 <= place <= len(self.shown)
        photo = self.shown[place - 1] if known else ""
        self.play(says.format(place))
        if known:
            now = self.past.now
            self.past.step(replace(now, liked=now.liked | {photo}, unliked=now.unliked - {photo}))

    @precondition(lambda self: self.described and self.shown)
    @rule()
    def unlike_by_key(self) -> None:
        self.session.unlike(int(self.shown[0]))
        now = self.past.now
        self.past.step(replace(now, unliked=now.unliked | {self.shown[0]}, liked=now.liked - {self.shown[0]}))
        self.show()

    @precondition(lambda self: self.described and self.shown)
    @rule()
    def none_of_these(self) -> None:
        shown = frozenset(self.shown)
        self.play("none of these")
        self.past.step(replace(self.past.now, ruled_out=self.past.now.ruled_out | shown))

    @rule()
    def undo(self) -> None:
        self.play("undo")
        if self.past.before:
            self.past.now = self.past.before.pop()

    @rule()
    def start_over(self) -> None:
        self.play("start over")
        self.past.step(Model())

    @rule(message=st.sampled_from(["help", "why", "thanks", "what are you looking for?", "xzqvw kjhgf", "собака"]))
    def talk(self, message: str) -> None:
        self.play(message)

    @precondition(lambda self: self.past.now.wants)
    @rule(flips=st.booleans())
    def edit_a_chip(self, flips: bool) -> None:
        chip = next(chip for chip in self.session.chips if chip.kind is ChipKind.WANT)
        list(self.session.edit(chip, ChipEdit.FLIPPED if flips else ChipEdit.REMOVED))
        self.numbers += 1
        now = self.past.now
        wants = tuple(want for want in now.wants if want != chip.text)
        self.past.step(replace(now, wants=wants, rejects=(*now.rejects, chip.text) if flips else now.rejects))
        self.show()

    @rule()
    def resume(self) -> None:
        self.session.close()
        self.open()

    @rule(cut=st.integers(1, 400))
    def die_while_writing(self, cut: int) -> None:
        """The end of the file is lost: what is left is a session that once was."""
        self.session.close()
        path = self.session.log.path
        if not path.exists():
            return
        events = self.session.dialogue.events
        whole = path.read_bytes()
        path.write_bytes(whole[: max(whole.index(b"\n") + 1, len(whole) - cut)])
        self.open()
        kept = self.session.dialogue.events
        assert kept == events[: len(kept)]
        path.write_bytes(whole) if len(kept) < len(events) else None
        self.session.close()
        self.open()

    def open(self) -> None:
        parts = self.world.engine(PaintGenerator())
        options = replace(OPTIONS, pictures=1)
        log = Log(self.session.log.path, Started(NOON))
        if log.path.exists():
            self.session = Session.resume(parts, log, options, now=fixed(NOON))
        self.show()

    def show(self) -> None:
        results = of(list(self.session.rerank()), Results)
        self.shown = [str(hit.image_id) for hit in results[-1].hits] if results else []

    @invariant()
    def both_hold_the_same(self) -> None:
        if not hasattr(self, "session"):
            return
        dialogue, now = self.session.dialogue, self.past.now
        need = dialogue.need()
        # What D0 wants may be wanted again.
        assert set(need.wants) == set(now.wants) and set(need.rejects) == set(now.rejects)
        assert set(dialogue.liked) == now.liked and set(dialogue.unliked) == now.unliked
        assert set(dialogue.ruled_out) == now.ruled_out and dialogue.messages == self.numbers
        request = self.session.request
        assert (request is None) == (dialogue.number < 0)
        if request is not None:
            assert request.turn == dialogue.number and set(request.query.texts) == set(now.wants)
        assert not set(self.shown) & (now.unliked | now.ruled_out)


def test_a_session_holds_what_a_simple_model_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sessions, "world", world, raising=False)
    chosen = settings(
        max_examples=4,
        stateful_step_count=70,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
        # Shrinking a session of models and disk takes minutes; the steps of a failure are printed as they are.
        phases=[Phase.generate],
    )
    run_state_machine_as_test(Sessions, settings=chosen)

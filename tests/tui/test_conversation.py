"""An exchange as events are added to it: what is shown, what rose, what is going on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dar_tui.language.turn import Question
from dar_tui.session.events import (
    Imagining,
    Loading,
    Part,
    Prompts,
    Results,
    SessionNote,
    Stage,
    Timings,
    TurnDone,
    TurnFailed,
)
from dar_tui.tui.conversation import KEPT_HITS, Exchange, ExchangeState, Tally
from indexer.search.hits import Hit
from tests.tui.fake_engine import make_hits, ranked


@pytest.fixture
def hits(tmp_path: Path) -> tuple[Hit, ...]:
    return make_hits(tmp_path, 20, pictures=2)


def found(hits: tuple[Hit, ...]) -> Exchange:
    return Exchange("a dog").after(Results(0, Stage.TEXT, hits))


def test_nothing_has_risen_on_the_page_of_the_text(hits: tuple[Hit, ...]) -> None:
    exchange = found(hits)
    assert exchange.tally.risen == 0
    assert exchange.hits == hits


def test_photos_that_pictures_lifted_are_marked_by_how_far(hits: tuple[Hit, ...]) -> None:
    fused = ranked([hits[5], *hits[:5], *hits[6:]])
    exchange = found(hits).after(Results(0, Stage.FUSED, fused))
    assert [exchange.rise(hit) for hit in exchange.hits[:7]] == [5, -1, -1, -1, -1, -1, 0]
    assert exchange.tally.risen == 1


def test_a_photo_that_was_not_on_the_first_page_has_risen_from_below_it(hits: tuple[Hit, ...]) -> None:
    exchange = found(hits[:10]).after(Results(0, Stage.FUSED, ranked([hits[15], *hits[:9]])))
    assert exchange.rise(exchange.hits[0]) == 10


def test_what_is_going_on_is_said_step_by_step(hits: tuple[Hit, ...]) -> None:
    exchange = Exchange("a dog")
    told = [exchange.doing]
    for event in (
        Results(0, Stage.TEXT, hits),
        Prompts(0, ("one", "two"), (1, 2)),
        Loading(0),
        Imagining(0, 1, 4, 8),
        TurnDone(0, Timings(total=1.0)),
    ):
        exchange = exchange.after(event)
        told.append(exchange.doing)
    assert told == [
        "looking",
        "thinking of a question",
        "imagining 1/2",
        "loading the generator",
        "imagining 2/2, step 4/8",
        "",
    ]


def test_pictures_imagined_again_are_numbered_on(hits: tuple[Hit, ...]) -> None:
    exchange = found(hits).after(Prompts(0, ("one", "two"), (1, 2))).after(Prompts(0, ("three",), (3,)))
    assert [drawing.seed for drawing in exchange.drawings] == [1, 2, 3]
    assert exchange.after(Imagining(0, 2, 1, 4)).doing == "imagining 1/1, step 1/4"


def test_a_picture_out_of_nowhere_changes_nothing(hits: tuple[Hit, ...]) -> None:
    exchange = found(hits)
    assert exchange.after(Imagining(0, 7, 1, 2)).drawings == ()


def test_a_page_shown_again_keeps_the_times_of_the_turn(hits: tuple[Hit, ...]) -> None:
    exchange = found(hits).after(TurnDone(0, Timings(text_hits=0.1, imagine=2.0, total=3.0)))
    exchange = exchange.after(TurnDone(0, Timings(fused_hits=0.2, total=0.3)))
    assert (exchange.timings.text_hits, exchange.timings.imagine, exchange.timings.total) == (0.1, 2.0, 0.3)


def test_a_cancelled_turn_is_stopped_and_an_ended_one_is_not(hits: tuple[Hit, ...]) -> None:
    assert found(hits).after(TurnDone(0, Timings(), cancelled=True)).state is ExchangeState.STOPPED
    assert found(hits).ended().state is ExchangeState.STOPPED
    assert found(hits).after(TurnDone(0, Timings())).ended().state is ExchangeState.DONE


def test_notes_failures_and_questions_are_kept_with_what_to_do(hits: tuple[Hit, ...]) -> None:
    exchange = found(hits).after(SessionNote("left out")).after(TurnFailed(Part.IMAGINE, "It broke.", "Press i."))
    exchange = exchange.after(Question("Is it red?"))
    assert exchange.notes == ("left out",)
    assert exchange.failures[0].line == "It broke. Press i."
    assert exchange.question == Question("Is it red?")


def test_an_exchange_archived_keeps_only_the_first_page(hits: tuple[Hit, ...]) -> None:
    away = found(hits).archived()
    assert len(away.hits) == KEPT_HITS
    assert away.text_ranks == {}


def test_what_is_put_away_keeps_its_numbers_and_none_of_the_photos_folded_under_a_hit(hits: tuple[Hit, ...]) -> None:
    burst = tuple(replace(hits[1], image_id=number) for number in range(500, 1000))
    copies = tuple(hits[1].path.with_name(f"copy-{number}.jpg") for number in range(500))
    folded = (replace(hits[0], similar=burst, copies=copies), *hits[1:])
    exchange = found(folded).after(Results(0, Stage.FUSED, ranked([hits[15], *folded[:15], *folded[16:]])))
    away = exchange.archived()
    assert [hit.image_id for hit in away.hits] == [hit.image_id for hit in exchange.hits[:KEPT_HITS]]
    assert not any(hit.similar or hit.copies for hit in away.hits)
    assert away.tally == exchange.tally == Tally(photos=20, strong=4, weak=4, risen=1, scored=True)


def test_a_page_shown_again_is_counted_again(hits: tuple[Hit, ...]) -> None:
    assert found(hits).archived().after(Results(0, Stage.TEXT, hits[:3])).tally.photos == 3

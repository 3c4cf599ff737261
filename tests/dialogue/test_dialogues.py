"""Hand-written dialogues: the rules give the Need a person would, and nothing rejected ever reaches an encoder."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from dar_tui.dialogue.dialogue import Dialogue, Expects, Question
from dar_tui.dialogue.need import Need
from dar_tui.language.rules import mentions
from dar_tui.language.when import Days, When
from dar_tui.reformulate import QueryStrategy, prompts, query_text

DATA = json.loads((Path(__file__).parents[1] / "data" / "dialogues.json").read_text(encoding="utf-8"))
NOW = datetime.fromisoformat(DATA["now"])
CASES = [pytest.param(case, id=case["name"]) for case in DATA["dialogues"]]


def dialogue_of(case: dict[str, Any]) -> Dialogue:
    dialogue = Dialogue()
    for question, answer in case["turns"]:
        if isinstance(question, str):
            dialogue = dialogue.asked(Question(question))
        elif question is not None:
            dialogue = dialogue.asked(Question(question["text"], question["topic"], Expects(question["expects"])))
        dialogue = dialogue.said(answer, NOW)
    return dialogue


def when_as_written(when: When) -> list[str | None]:
    (span,) = when.spans
    mark: list[str | None] = ["not"] if when.excluded else []
    if isinstance(span, Days):
        return [*mark, span.first.isoformat() if span.first else None, span.last.isoformat() if span.last else None]
    days = [f"{month:02}-{day:02}" for month, day in (span.first, span.last)]
    return [*mark, "yearly", *days]


def texts_of(dialogue: Dialogue, need: Need) -> list[str]:
    queries = [text for strategy in QueryStrategy for text in query_text(dialogue, strategy).texts]
    short = query_text(dialogue, QueryStrategy.REWRITE, word_budget=5).texts
    return [*queries, *short, *(prompt for seed in range(5) for prompt in prompts(need, 3, seed))]


def test_there_are_fifty_or_more() -> None:
    assert len(CASES) >= 50
    assert len({case["name"] for case in DATA["dialogues"]}) == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_rules_give_the_expected_need(case: dict[str, Any]) -> None:
    need = dialogue_of(case).need()
    assert list(need.wants) == case["wants"]
    assert list(need.rejects) == case.get("rejects", [])
    assert list(need.unknown) == case.get("unknown", [])
    assert [when_as_written(when) for when in need.when] == case.get("when", [])
    assert list(need.where) == case.get("where", [])


@pytest.mark.parametrize("case", CASES)
def test_no_reject_is_in_any_query_or_prompt(case: dict[str, Any]) -> None:
    dialogue = dialogue_of(case)
    need = dialogue.need()
    for text in texts_of(dialogue, need):
        for reject in need.rejects:
            assert not mentions(text, reject), (text, reject)
            # Said again without our own idea of what a word is.
            assert reject.casefold() not in text.casefold().replace(",", " ,").split()
        if not case.get("foreign"):
            assert not {"no", "not", "without", "never", "isn't"} & set(text.casefold().split())
    assert need == Dialogue.from_json(json.loads(json.dumps(dialogue.to_json()))).need()


def test_a_day_in_a_range_holds_and_one_outside_does_not() -> None:
    need = Dialogue().said("a dog last summer", NOW).need()
    assert need.when[0].holds(date(2024, 7, 1))
    assert not need.when[0].holds(date(2023, 7, 1))

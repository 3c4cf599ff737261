"""R1 and R2 by a language model that is scripted here: good, dropping, inventing, talking nonsense, silent, failing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from dar_tui.cancellation import Cancelled, Stopped, never
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.reformulate import QueryStrategy, prompts, query_text
from dar_tui.reformulate.language_model import LanguageReformulator, parse_prompts, parse_query
from indexer.errors import ModelUnavailable

NOW = datetime(2024, 10, 15, 12)
DIALOGUE = Dialogue().said("two brown dogs with a red ball on the beach, no people", NOW).said("it was sunny", NOW)
NEED = DIALOGUE.need()
BY_RULES = query_text(DIALOGUE, QueryStrategy.REWRITE)
GOOD_QUERY = "Two brown dogs with a red ball on a sunny beach"
GOOD_PROMPTS = [
    "Playful two brown dogs on the beach, sunny, with a red ball. Style: photorealistic.",
    "A detailed photo of two brown dogs with a red ball, sunny beach. Style: photorealistic.",
    "Two brown dogs with a red ball at a sunny beach, wide shot. Style: photorealistic.",
]
GOOD_DRAWN = "\n".join(f"{at}. {text}" for at, text in enumerate(GOOD_PROMPTS, 1))


@dataclass
class Scripted:
    """Answers R1 with `query` and R2 with `drawn`."""

    query: str | Exception = f"New Query: {GOOD_QUERY}"
    drawn: str | Exception = GOOD_DRAWN
    asked: list[tuple[str, str]] = field(default_factory=list)

    def complete(self, system: str, user: str, max_tokens: int, *, cancelled: Cancelled = never) -> str:
        self.asked.append((system, user))
        answer = self.query if "New Query" in system else self.drawn
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_good_model_is_used_without_a_note() -> None:
    model = Scripted()
    found = LanguageReformulator(model).reformulate(DIALOGUE, 3)
    assert found.query.texts == (GOOD_QUERY,)
    assert list(found.prompts) == GOOD_PROMPTS
    assert found.notes == ()
    systems = [system for system, _ in model.asked]
    assert "The reconstructed [New Query] should be concise" in systems[0]
    assert "[Adjective] [Primary Subject] in [Setting], [Key Details]. Style: photorealistic." in systems[1]


def test_the_model_never_gets_rejects() -> None:
    model = Scripted()
    LanguageReformulator(model).reformulate(DIALOGUE, 3)
    assert all("people" not in user for _, user in model.asked)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("New Query: two brown dogs on a sunny beach", "lost 'red', 'ball'"),
        ("New Query: two brown dogs with a red ball on a sunny beach at sunset", "added 'sunset'"),
        ("New Query: three brown dogs with a red ball on a sunny beach", "lost 'two'"),
        ("New Query: two black dogs with a red ball on a sunny beach", "lost 'brown'"),
        ("New Query: two brown dogs with a red ball on a sunny beach, no people", "brought back 'people'"),
        ("New Query: two brown dogs with a red ball on a sunny beach, not cloudy", "wrote what is not there"),
        ("New Query: a person with two brown dogs, a red ball, sunny beach", "brought back 'people'"),
        ("no", "wrote what is not there"),
        ("%%% 💥\nqwerty\nasdf", "gave no query"),
        ("", "gave no query"),
        ("New Query: " + "two brown dogs with a red ball on a sunny beach " * 20, "wrote too much"),
    ],
)
def test_a_faulty_query_falls_back_to_rules_and_says_why(answer: str, reason: str) -> None:
    found = LanguageReformulator(Scripted(query=answer)).reformulate(DIALOGUE, 3)
    assert found.query == BY_RULES
    assert any(reason in note for note in found.notes), found.notes


@pytest.mark.parametrize(
    "error", [ModelUnavailable("The model is not here."), TimeoutError("timed out"), RuntimeError("CUDA")]
)
def test_a_failing_model_leaves_the_rules_and_one_note(error: Exception) -> None:
    found = LanguageReformulator(Scripted(query=error, drawn=error)).reformulate(DIALOGUE, 3, seed=5)
    assert found.query == BY_RULES
    assert list(found.prompts) == prompts(NEED, 3, 5)
    assert len(found.notes) == 1 and "rules" in found.notes[0]


@pytest.mark.parametrize(
    "drawn",
    [
        "",
        "1. A cat.\n2. A dragon in space.",
        "1. Two brown dogs on the sunny beach with people and a red ball.",
        "1. Two brown dogs, a red ball, a blue umbrella, sunny beach.",
        "1. Two brown dogs, a red ball, sunny beach, palm trees, surfers, sailing boats, lighthouse.",
        "I cannot draw.",
    ],
)
def test_faulty_prompts_are_replaced_by_rules(drawn: str) -> None:
    found = LanguageReformulator(Scripted(drawn=drawn)).reformulate(DIALOGUE, 3, seed=2)
    assert list(found.prompts) == prompts(NEED, 3, 2)
    assert any("prompts written by rules" in note for note in found.notes)


def test_one_good_prompt_is_kept_and_the_rest_filled_up() -> None:
    found = LanguageReformulator(Scripted(drawn=f"1. {GOOD_PROMPTS[0]}\n2. A dragon in space.")).reformulate(
        DIALOGUE, 3
    )
    assert found.prompts[0] == GOOD_PROMPTS[0]
    assert len(set(found.prompts)) == 3
    assert found.notes[0].startswith("2 of 3 prompts")


def test_the_rules_draft_comes_before_the_model_is_asked() -> None:
    model = Scripted()
    drafts = LanguageReformulator(model).drafts(DIALOGUE, 3)
    first = next(drafts)
    assert (first.query, first.prompts, first.notes, model.asked) == (BY_RULES, (), (), [])
    assert list(drafts) == [LanguageReformulator(model).reformulate(DIALOGUE, 3)]


def test_a_model_that_was_stopped_leaves_the_rules_draft() -> None:
    model = Scripted(query=Stopped())
    assert len(list(LanguageReformulator(model).drafts(DIALOGUE, 3))) == 1
    with pytest.raises(Stopped):
        LanguageReformulator(model).reformulate(DIALOGUE, 3)


def test_the_users_own_words_are_not_rewritten() -> None:
    model = Scripted()
    found = LanguageReformulator(model, QueryStrategy.STATEMENTS).reformulate(DIALOGUE, 3)
    assert found.query == query_text(DIALOGUE, QueryStrategy.STATEMENTS)
    assert len(model.asked) == 1


def test_nothing_wanted_asks_no_model() -> None:
    model = Scripted()
    found = LanguageReformulator(model).reformulate(Dialogue().said("no people", NOW), 3)
    assert (found.query.texts, found.prompts, model.asked) == ((), (), [])


@pytest.mark.parametrize(
    "answer",
    [
        "New Query: a dog",
        "**New Query:** a dog",
        '[New Query]: "a dog"',
        "(a) A dialogue about a dog.\n(b) D0: dog\n(c) New Query: a dog",
        "a dog.",
        "New Query:\na dog",
        "<think>a cat?\nNew Query: a cat</think>\nNew Query: a dog",
    ],
)
def test_a_query_is_found_in_many_dresses(answer: str) -> None:
    assert parse_query(answer) == "a dog"


@pytest.mark.parametrize(
    "mark", [lambda at: f"{at}. ", lambda at: f"{at}) ", lambda at: "- ", lambda at: f"Prompt {at}: ", lambda at: ""]
)
def test_prompts_are_found_in_many_dresses(mark: Callable[[int], str]) -> None:
    assert parse_prompts("\n\n".join(f"{mark(at)}a dog {at}" for at in (1, 2))) == ["a dog 1", "a dog 2"]

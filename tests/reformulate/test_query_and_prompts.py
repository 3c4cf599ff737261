"""R1 and R2 by rules: strategies, budgets, prompts that differ, and never a reject in any of it."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.language.rules.words import content
from dar_tui.reformulate import QueryStrategy, RuleReformulator, prompts, query_text, structure, write
from indexer.errors import UsageError

NOW = datetime(2024, 10, 15, 12)


def talk(*messages: str) -> Dialogue:
    dialogue = Dialogue()
    for message in messages:
        dialogue = dialogue.said(message, NOW)
    return dialogue


DIALOGUE = talk("a brown dog on the beach", "a red ball, no people", "a brown dog", "sunny")


def test_joined_is_chatirs_text() -> None:
    found = query_text(DIALOGUE, QueryStrategy.JOINED)
    assert found.texts == ("a brown dog on the beach, a red ball, a brown dog, sunny",)
    assert found.weights == (1.0,)


def test_statements_are_encoded_alone_with_equal_weights() -> None:
    found = query_text(DIALOGUE, QueryStrategy.STATEMENTS)
    assert found.texts == ("a brown dog on the beach", "a red ball", "a brown dog", "sunny")
    assert sum(found.weights) == pytest.approx(1) and len(set(found.weights)) == 1


def test_rewrite_states_each_fact_once() -> None:
    assert query_text(DIALOGUE, QueryStrategy.REWRITE).texts == ("a brown dog on the beach, a red ball, sunny",)


def test_nothing_wanted_gives_no_text_and_no_prompt() -> None:
    for dialogue in (Dialogue(), talk("no people"), talk("in 2019"), talk("")):
        assert all(query_text(dialogue, strategy).texts == () for strategy in QueryStrategy)
        assert prompts(dialogue.need()) == []


@pytest.mark.parametrize("budget", [3, 6, 10, 48])
def test_the_newest_fact_is_never_cut(budget: int) -> None:
    many = [f"a {word} chair by the window" for word in ("red", "green", "blue", "white", "black")]
    need = talk("a large old kitchen with a stove", *many, "a sleeping cat").need()
    text = write(structure(need), budget)
    assert "sleeping cat" in text
    assert len(text.replace(",", " ").split()) <= budget


def test_a_single_endless_message_is_cut_at_the_budget() -> None:
    (text,) = query_text(talk(" ".join(f"word{at}" for at in range(3000))), QueryStrategy.REWRITE).texts
    assert text.startswith("word0 word1 ") and len(text.split()) <= 48


def test_d0_and_elaborations_stay_apart() -> None:
    outline = structure(DIALOGUE.need())
    assert outline.subject == ("a brown dog on the beach",)
    assert outline.details == ("a red ball", "sunny")


def test_prompts_follow_the_template() -> None:
    for prompt in prompts(DIALOGUE.need(), 5, seed=3):
        assert " of a brown dog on the beach, " in prompt
        assert prompt.endswith(". Style: photorealistic.")
        assert "red ball" in prompt and "sunny" in prompt


def test_k_prompts_differ_and_a_seed_gives_them_again() -> None:
    need = DIALOGUE.need()
    found = prompts(need, 20, seed=7)
    assert len(set(found)) == 20
    assert found == prompts(need, 20, seed=7)
    assert found != prompts(need, 20, seed=8)


@pytest.mark.parametrize("k", [-1, 10_000])
def test_an_impossible_number_of_prompts_is_refused(k: int) -> None:
    with pytest.raises(UsageError):
        prompts(DIALOGUE.need(), k)


def test_rejected_style_words_are_not_used_either() -> None:
    need = Need(subject=("a dog",), rejects=("photos", "candid", "view", "style"))
    for prompt in prompts(need, 10):
        assert need.allows(prompt) and "dog" in prompt


def test_two_wants_never_run_into_a_reject() -> None:
    need = Need(subject=("dog",), details=("on the beach",), rejects=("dog on beach", "photo of dog"))
    for prompt in prompts(need, 10):
        assert need.allows(prompt), prompt


NOUNS = st.sampled_from(
    [
        "dog",
        "dogs",
        "cat",
        "person",
        "people",
        "child",
        "children",
        "beach",
        "house",
        "houses",
        "red",
        "blue",
        "old",
        "two",
    ]
)
PHRASES = st.lists(NOUNS, min_size=1, max_size=3).map(" ".join)
WANTING = st.builds(
    "{} {} {} {}".format,
    st.sampled_from(["a", "the", "two", "there was a"]),
    PHRASES,
    st.sampled_from(["with", "on", "and", "near", ","]),
    PHRASES,
)
DENYING = st.builds(
    "{} {}".format, st.sampled_from(["no", "without", "not a", "there isn't a", "nobody with", "never"]), PHRASES
)
CORRECTING = st.builds("it was a {}, not a {}".format, PHRASES, PHRASES)
MESSAGES = st.one_of(WANTING, DENYING, CORRECTING, st.builds("{}, {}".format, WANTING, DENYING), st.text(max_size=30))


@settings(max_examples=250, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=6), st.integers(0, 3), st.integers(1, 12))
def test_no_reject_reaches_any_text(messages: list[str], seed: int, budget: int) -> None:
    dialogue = talk(*messages)
    need = dialogue.need()
    texts = [text for strategy in QueryStrategy for text in query_text(dialogue, strategy, budget).texts]
    found = prompts(need, 3, seed)
    for text in [*need.wants, *texts, *found]:
        assert need.allows(text), (text, need.rejects)
    assert len(set(found)) == len(found) == (3 if need.wants else 0)
    # The last message's denials stand, whatever was said before.
    assert dialogue.need() == need


@settings(max_examples=100, deadline=None)
@given(st.lists(WANTING, min_size=1, max_size=5))
def test_a_rewrite_within_its_budget_loses_and_adds_nothing(messages: list[str]) -> None:
    dialogue = talk(*messages)
    (text,) = query_text(dialogue, QueryStrategy.REWRITE, word_budget=500).texts or ("",)
    assert set(content(text)) == set(content(" , ".join(dialogue.need().wants)))


def test_the_rule_reformulator_does_both() -> None:
    found = RuleReformulator(QueryStrategy.REWRITE).reformulate(DIALOGUE, k=2, seed=1)
    assert found.query == query_text(DIALOGUE, QueryStrategy.REWRITE)
    assert list(found.prompts) == prompts(DIALOGUE.need(), 2, 1)
    assert (found.need, found.notes) == (DIALOGUE.need(), ())

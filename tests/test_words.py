"""One vocabulary: retired words do not come back, and no two classes have one name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
# Each, and the field's everyday English for it; docs/design.md has the glossary.
RETIRED = {
    r"in hand": "selected, open",
    r"mend(s|ed|ing)?": "fix, repair",
    r"(go|goes|going|gone) on (with|from)": "resume, continue, use",
    r"(take|takes|taken|took) (it |them )?up again": "resume",
    r"(let|lets|letting) go of": "drop, release, close",
    r"put(s|ting)? away": "close, hide",
    r"settl(e|es|ed|ing)": "decide, count, finish",
    r"happen(s|ed|ing)?": "name it: an error, a change, a run",
    r"unnoticed": "name what failed",
    r"likeness(es)?": "similarity",
    r"told": "reported, recorded, shown",
    r"workshop|Standing|Pager|Situation": "session parts, session state, page, turn context",
}
WORDS = [
    (re.compile(rf"(?<![^\W_])({words})(?![^\W_])", re.IGNORECASE if words.islower() else 0), RETIRED[words])
    for words in RETIRED
]
# Where a retired word may not change.
ALLOWED = (
    # A key of `dar doctor --json`.
    re.compile(r'"mend": self\.fix|`text` and `mend`,$'),
)


def texts() -> Iterator[tuple[str, int, str]]:
    """(file, line number, line) of code, what it shows to users, and documentation."""
    folders = [REPOSITORY / name for name in ("indexer", "dar_tui", "training", "benchmarks", "docs")]
    files = [file for folder in folders for file in folder.rglob("*")] + list(REPOSITORY.glob("*.md"))
    for file in sorted(file for file in files if file.suffix in (".py", ".md", ".toml", ".tcss")):
        name = file.relative_to(REPOSITORY).as_posix()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield name, number, line


def test_retired_words_do_not_come_back() -> None:
    found = [
        f"{file}:{number}: {match.group()!r} ({instead}): {line.strip()}"
        for file, number, line in texts()
        for pattern, instead in WORDS
        if (match := pattern.search(line)) and not any(allowed.search(line) for allowed in ALLOWED)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    ["The photo in hand.", "Mend it with `dar index`.", "class Standing:", "it was told apart", "def _settle_in("],
)
def test_a_retired_word_is_found(line: str) -> None:
    assert any(pattern.search(line) for pattern, _ in WORDS)


def test_no_two_classes_have_one_name() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for package in ("indexer", "dar_tui"):
        for file in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    where[node.name].append(f"{file.relative_to(REPOSITORY)}:{node.lineno}")
    twice = {name: places for name, places in where.items() if len(places) > 1}
    assert not twice

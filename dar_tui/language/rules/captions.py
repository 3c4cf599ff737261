"""Talk into captions: "I think it was a photo of my dog" says "my dog".

Knows English only; other languages are recognised and left alone.
"""

from __future__ import annotations

import re

from dar_tui.language.rules.words import CONJUNCTIONS, DETERMINERS, PREPOSITIONS, listed, tidy, words

_PICTURE = r"(?:photo|picture|pic|image|shot|snap|snapshot|photograph)s?"
_OPENERS = re.compile(
    r"(?:"
    r"(?:yes|yeah|yep|yup|um+|uh+|well|so|ok|okay|hm+|oh|ah|hi|hello|hey|please|also|and|or|but|plus|just|then)\b"
    r"|(?:actually|wait|sorry|rather|correction|scratch that|on second thought|you know|after all|no doubt|in fact)\b"
    r"|i (?:mean|meant|think|believe|guess|suppose|remember|recall|see|want|need|know|said|would say|am sure)"
    r"(?: (?:that|it's))?\b"
    r"|i['\u2019]?(?:d| would) (?:say|like)\b|i['\u2019]?m (?:sure|certain)(?: that)?\b|to see\b"
    r"|(?:i['\u2019]?m|i am|we are|we['\u2019]?re)? ?(?:looking|searching) for\b"
    r"|(?:can|could) you (?:find|show)(?: me)?\b|(?:find|show|give|get)(?: me)?(?= (?:a|an|the|my|that|this|some"
    rf"|all|{_PICTURE})\b)"
    r"|search for\b|(?:maybe|perhaps|probably|possibly|definitely|certainly|of course|apparently|more like)\b"
    r"|(?:that |and )?(?:it|this|that) (?:is|was|has|had|shows|showed|looks like|looked like|must be|must have been)\b"
    r"|(?:it|that)['\u2019]s\b|there (?:is|are|was|were|might be|must be|seems to be)\b|there['\u2019]s\b"
    r"|(?:they|we|you|i) (?:are|were|was|had|have)\b"
    r"|(?:they|we)['\u2019]re\b|(?:he|she)(?: (?:is|was|has|had)|['\u2019]s)\b"
    rf"|(?:a|an|the|that|this|some|one|my|our)? ?(?:old |nice |good )?{_PICTURE}"
    r" (?:is |was |has |had )?(?:of|with|showing|where|that shows|in which|is|was|shows|has|taken)\b"
    rf"|(?:a|an|the|that|this|some) {_PICTURE}(?=\s*(?:$|[\ufdd0-\ufdef]|(?:in|at|on|by|near|from)\b))"
    r"|the one (?:with|where|of)\b|(?:taken|shot)(?= (?:in|at|on|by|near|from|during|inside|outside)\b)|of\b"
    r")[\s,:]*",
    re.IGNORECASE,
)
_CLOSERS = re.compile(
    r"[\s,]*\b(?:please|either|i (?:think|guess|believe|suppose)|too|as well|though|also|instead|actually|maybe|perhaps"
    r"|after all"
    rf"|in (?:it|(?:the|this|that) {_PICTURE})|taken|or (?:so|something(?: like that)?)|at all|for sure|thanks"
    rf"|thank you"
    rf"|and|but|with|where|who|which|that|or"
    r")[\s.!,]*$",
    re.IGNORECASE,
)
# What stands for a phrase of time (`language.rules`) is never empty.
_MARKED = re.compile("[\ufdd0-\ufdef]")
_EMPTY_WORDS = DETERMINERS | PREPOSITIONS | CONJUNCTIONS | listed(
    "i you he she we they me him us them so too also really very just yes no not of ok okay else other anything "
    "something nothing thing photo picture image wait sorry only there photos pictures images pics shots photographs "
    "all everything whatever ones"
)  # fmt: skip

_FOREIGN = listed(
    "un una uno unos unas el los las con sin del en y um uma com sem na da em il lo gli nel nella di che "
    "der die das ein eine einen einem und mit ohne im auf le les des du une avec sans sur dans et au aux "
    "een het met zonder op en och med utan den ett na w z i bez bir ve"
)
_ENGLISH = listed(
    "the a an is are was were it of with and on at my there no not yes i in this that from by to two without"
)


def is_english(text: str) -> bool:
    """Whether the rules may read the text. They may not where most letters are of another script, or most small words
    of another language: "um cachorro no parque" says a dog *in the* park, and its "no" rejects nothing."""
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        return True
    if sum(letter.isascii() for letter in letters) * 2 < len(letters):
        return False
    keys = [word.key for word in words(text)]
    foreign = sum(key in _FOREIGN - _ENGLISH for key in keys)
    return foreign == 0 or foreign <= sum(key in _ENGLISH - {"no", "in", "on", "i", "a", "an"} for key in keys)


def caption(text: str) -> str:
    """The part of a clause a caption would say; "" where it says nothing about the picture."""
    text = tidy(text)
    before = None
    while before != text:
        before = text
        opener = _OPENERS.match(text)
        if opener and opener.end() > 0:
            text = tidy(text[opener.end() :])
        text = tidy(_CLOSERS.sub("", text))
    found = words(text)
    if not found and text.isascii():
        return ""
    if found and all(word.key in _EMPTY_WORDS for word in found):
        if marks := "".join(_MARKED.findall(text)):
            return marks
        # "inside" and "outside" answer "where?" alone.
        return text if found[-1].key in {"inside", "outside"} else ""
    return text

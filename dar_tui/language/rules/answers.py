"""Short answers, which mean nothing without their question: yes, no, can't tell, "brown", "two of them".

Knows the shapes of English questions. Where the asker gives topic and kind of answer, those count instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from dar_tui.language.rules.captions import caption
from dar_tui.language.rules.words import ADJECTIVES, COLOURS, NUMBERS, content, core, mentions, tidy, words
from dar_tui.language.turn import Expects, Question

_Q = "['\u2019]?"


class Stance(Enum):
    """What the user says to the question as such."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()
    NEITHER = auto()
    BOTH = auto()
    NONE = auto()


@dataclass(frozen=True)
class Reply:
    """An answer's stance, and what it says besides ("" if nothing)."""

    stance: Stance
    rest: str


@dataclass(frozen=True)
class About:
    """What a question is about. `topic` is what a yes states; `noun` what an attribute, count or deed belongs to."""

    topic: str = ""
    noun: str = ""
    choices: tuple[str, ...] = ()
    is_count: bool = False
    is_attribute: bool = False
    is_place: bool = False
    is_time: bool = False
    is_yes_no: bool = False
    verb: str = ""


_YES = re.compile(
    r"\s*(?:(?:yes+|yeah+|yep|yup|ya|yea|aye|sure|right|correct|exactly|indeed|definitely|absolutely|of course"
    r"|certainly"
    # Hedged, and yes all the same; only where nothing follows, since "probably blue" says more.
    r"|(?:a (?:bit|little)|sort ?of|kind ?of|kinda|somewhat|slightly|more or less|probably|mostly|partly"
    r"|presumably|likely"
    r"|in a way|(?:yes+|yeah|yep),? (?:i guess|sort of|kind of|a (?:bit|little)|probably|mostly)|i (?:guess"
    r"|suppose)(?: so)?)"
    r"(?=\s*(?:$|[,.;:!\u2013\u2014]))"
    r"|i (?:think|believe|guess) so|true|y"
    # "there is" answers, "there is a ball" tells of something else.
    r"|(?:it (?:is|was|does|did)|there (?:is|are|was|were)|they (?:are|were|do|did))"
    r"(?=\s*(?:$|[,.;:!\u2013\u2014-])))\b"
    r"|\U0001f44d\ufe0f?[\U0001f3fb-\U0001f3ff]?|\u2705)(?P<end>\s*$|\s*[,.;:!\u2013\u2014-]+\s*|\s+)",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\s*(?:(?:no+|nope|nah|nay|not really|not at all|negative|wrong|false|i don['\u2019]?t think so"
    r"|(?:probably|i guess|i think|likely|maybe) not|not (?:much|so much|exactly|quite)|hardly(?: any)?|unlikely"
    r"|i doubt it"
    r"|of course not|none|never(?=\s*[.!]*$)"
    rf"|(?:it (?:is|was)n{_Q}t|there (?:is|are|was|were)n{_Q}t(?: any)?|they (?:are|were)n{_Q}t)"
    r"(?=\s*(?:$|[,.;:!\u2013\u2014-]))"
    rf"|no,? it (?:is|was)n{_Q}t|n)\b"
    r"|\U0001f44e\ufe0f?[\U0001f3fb-\U0001f3ff]?|\u274c)"
    r"(?P<end>\s*$|\s*[,.;:!\u2013\u2014]+\s*|\s+-\s+"
    # "no it was in a park" answers; "no people" denies.
    rf"|\s+(?=(?:it|it{_Q}s|there|they|that|we|i|he|she|in|on|at|a|an|the|but|just|only|rather|more|wait|sorry"
    rf"|actually|not)\b))",
    re.IGNORECASE,
)
# What a user says who cannot tell. The parts of a longer message are matched by `UNTOLD`.
_UNSURE = (
    rf"(?:i )?(?:really |honestly |just )?(?:can{_Q}t|cannot|could not|couldn{_Q}t|can not) (?:really )?"
    r"(?:tell|say|remember|recall|know)(?: for sure)?"
    rf"|(?:i )?(?:really |honestly |just )?(?:don{_Q}t|do not|didn{_Q}t) (?:really )?(?:know|remember|recall|notice)"
    rf"|(?:i )?(?:am|i{_Q}m|was)? ?(?:really )?(?:not (?:really |entirely |so |too |quite )?(?:sure|certain)"
    rf"|unsure|uncertain)"
    r"|(?:i )?dunno|idk|no (?:idea|clue)|(?:i )?have no (?:idea|clue)|(?:i )?forg[oe]t(?:ten)?|hard to (?:say|tell)"
    r"|who knows|beats me|impossible to (?:say|tell)|not that i (?:remember|recall|know)|unclear|unknown"
)
_UNSURE_WHOLE = re.compile(
    rf"\s*(?:(?:hm+|um+|well|sorry|oh|honestly|ah|uh+),?\s*)*(?:{_UNSURE}|maybe|perhaps|possibly|could be|might be"
    rf"|skip|pass|either(?: (?:is fine|one|will do))?|(?:i )?(?:don{_Q}t|do not) (?:really )?(?:care"
    rf"|mind)(?: either way)?"
    rf"|(?:it )?(?:doesn{_Q}t|does not) matter|no matter|whatever|not (?:important|relevant)|no preference"
    r"|maybe,? maybe not|\?+|\U0001f937\S*)(?:\s*(?:sorry|really|about that|that|at all|anymore|any more))?[\s.!?]*",
    re.IGNORECASE,
)
_UNSURE_START = re.compile(
    rf"\s*(?:(?:hm+|um+|well|sorry),?\s*)*(?:{_UNSURE}|maybe|perhaps)\s*[,.;:\u2013\u2014-]+\s*", re.IGNORECASE
)
UNTOLD = re.compile(
    rf"\b(?:{_UNSURE})\b\s*(?:(?:about|if|whether|what|which|how many|how|who|where|when|any|of|the exact)\b)?\s*"
    r"(?P<topic>[^,.;!?]*)",
    re.IGNORECASE,
)


_ONE_OF_TWO = re.compile(
    r"\s*(?:(?:it(?:'s| is)|i think|maybe|probably|closer|more like|rather)\s+)*(?:to\s+|like\s+)?(?:the\s+)?"
    r"(?:(?:photo|picture|image|number|no\.?|nr\.?)\s*)?#?(?P<which>\d+|first|second|one|two|left|right)"
    r"(?:\s+(?:one|photo|picture|image))?[\s.!]*",
    re.IGNORECASE,
)
_SIDES = {"first": 0, "left": 0, "second": 1, "right": 1}


def chosen_photo(text: str, question: Question) -> int | None:
    """Which of its two photos answers a choice by photos: 0 or 1; None for any other answer."""
    found = _ONE_OF_TWO.fullmatch(text)
    if found is None or len(question.photos) != 2:
        return None
    which = found["which"].casefold()
    number = {"one": "1", "two": "2"}.get(which, which)
    return question.choices.index(number) if number in question.choices else _SIDES.get(which)


def is_reply_to_photos(text: str, question: Question) -> bool:
    """Whether the answer speaks of the two photos alone, or says that neither is close, and states nothing else."""
    stance = reply_to(text, Question(question.text, question.topic, Expects.YES_NO))
    return chosen_photo(text, question) is not None or (stance.stance is not Stance.NONE and not stance.rest)


def reply_to(text: str, question: Question | None) -> Reply:
    """Parts an answer into its stance and the rest. Without a question only "can't tell" is a stance."""
    if question is None:
        return Reply(Stance.NONE, text)
    if _UNSURE_WHOLE.fullmatch(text):
        return Reply(Stance.UNKNOWN, "")
    if unsure := _UNSURE_START.match(text):
        # "not sure, maybe blue" is an answer after all.
        return Reply(Stance.NONE, text[unsure.end() :])
    bare = tidy(text).casefold()
    if bare in {"both", "both of them", "a bit of both"}:
        return Reply(Stance.BOTH, "")
    if no := _NO.match(text):
        return Reply(Stance.NO, text[no.end() :].strip())
    if yes := _YES.match(text):
        return Reply(Stance.YES, text[yes.end() :].strip())
    if bare in {"neither", "neither of them", "none of them", "neither one"}:
        return Reply(Stance.NEITHER, "")
    return Reply(Stance.NONE, text)


_PHOTO = r"(?:it|this|that|the (?:photo|picture|image|scene|shot))"
_TAIL = re.compile(
    rf"\s+(?:in|on) {_PHOTO}$|\s+(?:visible|there|present|around)$|\s+or not$|\s+maybe$|\s+too$", re.IGNORECASE
)
_SHAPES = tuple(
    re.compile(shape, re.IGNORECASE)
    for shape in (
        r"how many (?P<count>.+?)(?: (?:are|were|do|can|did|is)\b.*)?$",
        r"(?:what|which) colou?r(?:ed)? (?:is|are|was|were) (?:the |your |his |her |its |their )?(?P<attribute>.+)$",
        r"(?:what|which) colou?r (?P<attribute>[\w ]+?) (?:is|are|was|were)\b.*$",
        r"(?:what (?:kind|type|sort|breed) of|which) (?P<kind>.+?) (?:is|are|was|were)\b.*$",
        r"what (?:is|are|was|were) (?:the )?(?P<doer>[\w ]+?) (?P<verb>wearing|holding|eating|carrying|riding"
        r"|drinking|playing)\b.*$",
        r"what (?:is|are|was|were) (?:the )?(?P<doer>[\w ]+?) doing\b.*$",
        r"how (?:big|old|tall|large|small) (?:is|are|was|were) (?:the )?(?P<attribute>.+)$",
        r"(?P<place>where|in (?:which|what) (?:place|city|country|town))\b.*$",
        r"(?P<time>when|(?:in )?(?:what|which) (?:year|month|season|date)|how long ago"
        r"|what time of (?:the )?year)\b.*$",
        r"(?:is|are|was|were) there (?:any |some |a |an |also )*(?P<topic>.+)$",
        r"(?:is|was) (?:anyone|anybody|someone|somebody) (?P<someone>.+)$",
        rf"(?:is|was|were|are) {_PHOTO} (?:taken |shot |set |showing |of )?(?P<topic>.+)$",
        rf"(?:does|did|do) {_PHOTO} (?:show|have|contain|include|feature) (?:any )?(?P<topic>.+)$",
        r"(?:can|could|do|did) you (?:see|remember|recall|notice)(?: seeing)? (?:any )?(?P<topic>.+)$",
        r"(?:is|are|was|were) (?P<subject>(?:the|any|your|his|her|a|an) [\w ]*?\w) (?P<predicate>\w+|\w+ing .+"
        r"|(?:in|on|at|by) .+)$",
        r"(?:does|did|do) (?P<subject>(?:the|any|your|his|her|a|an) \w+) (?:have|wear|hold) (?P<having>.+)$",
    )
)


def about(question: Question) -> About:
    """What the question is about, as given by its asker or else as read from its words."""
    read = _read_question(question)
    if not question.topic and not question.choices and question.expects is Expects.UNTOLD:
        return read
    yes_no = question.expects is Expects.YES_NO or (question.expects is Expects.UNTOLD and read.is_yes_no)
    return About(
        topic=question.topic or read.topic,
        noun=read.noun,
        # "Is it a car or truck?" has a yes where its asker says so.
        choices=question.choices or (() if question.expects is Expects.YES_NO else read.choices),
        is_count=read.is_count and not yes_no,
        is_attribute=read.is_attribute and not yes_no,
        is_place=read.is_place,
        is_time=read.is_time,
        is_yes_no=yes_no,
        verb=read.verb,
    )


def _read_question(question: Question) -> About:
    text = tidy(re.split(r"(?<=[?])\s", question.text.strip())[0].replace("?", ""))
    text = re.sub(r"^(?:and|so|also|ok|then|by the way),? ", "", text, flags=re.IGNORECASE)
    while (shorter := _TAIL.sub("", text)) != text:
        text = shorter
    for shape in _SHAPES:
        if found := shape.fullmatch(text):
            return _shaped(found.groupdict(), text)
    return About(topic="", noun="")


def _shaped(said: dict[str, str | None], text: str) -> About:
    if noun := said.get("count"):
        return About(topic=core(noun), noun=core(noun), is_count=True)
    if noun := said.get("attribute"):
        return About(
            topic=f"colour of {core(noun)}" if "colo" in text.lower() else core(noun),
            noun=core(noun),
            is_attribute=True,
        )
    if noun := said.get("kind"):
        return About(topic=core(noun), noun=core(noun), is_attribute=True)
    if noun := said.get("doer"):
        noun = "" if noun.casefold() in {"he", "she", "they", "it", "you", "people"} else noun
        return About(topic=core(noun), noun=core(noun), verb=said.get("verb") or "doing")
    if said.get("place"):
        return About(topic="place", is_place=True)
    if said.get("time"):
        return About(topic="time", is_time=True)
    if topic := said.get("someone"):
        return About(topic=f"people {topic}", is_yes_no=True)
    if topic := said.get("topic"):
        parts = (
            tuple(re.sub(r"^(?:taken |shot )?", "", part) for part in re.split(r",? or |, ", topic))
            if " or " in topic
            else ()
        )
        return About(topic=topic, choices=parts, is_yes_no=not parts)
    subject, having = core(said.get("subject") or ""), said.get("having")
    if having:
        return About(topic=f"{subject} with {having}", noun=subject, is_yes_no=True)
    predicate = said.get("predicate") or ""
    said_first = all(word.key in ADJECTIVES for word in words(predicate))
    return About(
        topic=f"{predicate} {subject}" if said_first else f"{subject} {predicate}", noun=subject, is_yes_no=True
    )


def statement(rest: str, what: About) -> str:
    """An answer's words as a caption that stands without its question: "two" of "how many dogs" -> "two dogs"."""
    said = caption(rest)
    keys = [word.key for word in words(said)]
    if not keys:
        return said
    noun = what.noun or (what.topic if what.is_yes_no else "")
    if (
        what.is_yes_no
        and noun
        and (of_them := re.fullmatch(r"(\w+(?: \w+)?) of (?:them|those|these)", said, re.IGNORECASE))
    ):
        return f"{of_them[1]} {core(noun)}"
    if what.is_yes_no and noun and keys[-1] in {"one", "ones"} and len(keys) > 1:
        last = words(core(noun))[-1].text
        return tidy(f"{said[: words(said)[-1].start]}{last}")
    if (
        what.is_yes_no
        and noun
        and (all(key in NUMBERS or key.isdigit() for key in keys) or keys in (["many"], ["several"], ["lots"]))
    ):
        return f"{said} {core(noun)}"
    if not what.noun:
        return said
    lone = len(keys) <= 3 and all(key in ADJECTIVES or key.isdigit() or key in {"and"} for key in keys)
    if (lone or (what.is_attribute and len(keys) == 1)) and not mentions(said, what.noun):
        noun_only = " ".join(word.text for word in words(what.noun) if word.key not in COLOURS)
        return f"{said} {noun_only}"
    if what.verb and not mentions(said, what.noun):
        verb = "" if what.verb == "doing" or what.verb in keys else f"{what.verb} "
        return f"{what.noun} {verb}{said}"
    return said


def is_none(rest: str, what: About) -> bool:
    """Whether the answer to "how many" is none at all."""
    return what.is_count and (
        content(rest) in (["zero"], ["none"]) or tidy(rest).casefold() in {"none", "zero", "0", "no one", "nobody"}
    )

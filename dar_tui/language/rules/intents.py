"""What a message is for: it describes the photo, or it talks about the search ("the second one is close", "start over",
"why this one?"), which must never be searched for.

Knows English phrasings of one message and the question it may answer. Does not know which photos are shown, only their
numbers, and changes nothing (`dar_tui.dialogue.hearing` does).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from enum import StrEnum

from dar_tui.language.rules.answers import about, chosen_photo
from dar_tui.language.rules.words import LazyPattern, listed
from dar_tui.language.turn import Expects, Question


class Act(StrEnum):
    """What a message is for. The values are saved in sessions."""

    DESCRIBE = "describe"
    FOUND = "found"
    LIKE = "like"
    UNLIKE = "unlike"
    NONE = "none"
    START_OVER = "start-over"
    UNDO = "undo"
    NEXT = "next"
    SKIP = "skip"
    SORT = "sort"
    HELP = "help"
    SUMMARY = "summary"
    WHY = "why"
    PATH = "path"
    UNREADABLE = "unreadable"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Intent:
    """What a message is for. `numbers`: the photos meant, from 1 in their order on the page, `LAST` for the last, none
    for the selected one. `rest`: what the message describes besides. `about`: what is sorted by, the path pasted."""

    act: Act
    numbers: tuple[int, ...] = ()
    rest: str = ""
    about: str = ""


LAST = -1
# Nobody talks about the search at such length, and the patterns take quadratic time on the worst of texts.
_MOST_CHARACTERS = 300

_ORDINALS = {
    name: number
    for number, name in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
        ],
        1,
    )
} | {"last": LAST}
_CARDINALS = {
    name: number
    for number, name in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 1
    )
}
_PHOTO = r"(?:photo|picture|pic|image|shot|result|hit|match|one)s?"
_COUNTED = rf"(?:{_PHOTO}|numbers?|no\.|nr\.?|#) ?#? ?(?:\d{{1,3}}|{'|'.join(_CARDINALS)})\b"
_NTH = rf"(?:the |my )?(?:{'|'.join(_ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))\b(?: {_PHOTO})?"
_FIRST_FEW = r"the first (?:two|three|four|five|[2-9])(?: ones| photos| pictures)?"
_NUMBER = r"#?\d{1,3}(?![\d./:])"
_ITEM = rf"(?:{_FIRST_FEW}|{_NTH}|(?:the )?{_COUNTED}|{_NUMBER})"
# More than one, or one; what "it" and "that one" mean is the photo that is selected.
_MANY = rf"(?P<refs>{_ITEM}(?:\s*(?:,\s*and|,\s*or|,|\band\b|&|\bor\b)\s*{_ITEM})*)"
_THIS = r"(?:that|this|it)(?: (?:one|photo|picture|image))?"
_REFS = rf"(?:{_MANY}|{_THIS})"
_Q = "['\u2019]?"
_IS = rf"(?:{_Q}s| is| was|{_Q}re| are| were| looks?| seems?| comes?)?"
_NOT = rf"(?: is not| was not| are not| isn{_Q}t| wasn{_Q}t| aren{_Q}t|{_Q}s not|{_Q}re not| not)"
_VERY = r"(?:(?:very|pretty|quite|really|almost|so|getting|fairly|already|most|a bit|much|the|kind of|sort of) )*"

_LEAD = re.compile(
    r"(?:(?:ok(?:ay)?|please|well|hm+|um+|oh|ah|so|and|now|alright|all right|hey|hi|hello|just|yes|yeah|yep|actually"
    r"|right|great|cool|sorry|wait|no wait|let me see)\b[\s,!.]+|(?:no+|nope|nah)[,.!]+ "
    rf"|(?:can|could|would|will) (?:you|i|we)(?: please)? |(?:let{_Q}s|let us|lets) "
    rf"|i(?: want|{_Q}d like| would like| need) to |i wanna )+",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:[\s,]*\b(?:please|thanks|thank you|for me|then|now|again|i think|i guess|i believe|actually))*[\s.!?,]*$",
    re.IGNORECASE,
)


def _whole(*patterns: str) -> LazyPattern:
    """Any of the patterns, the groups of photos' numbers in them made different: a pattern has each name once."""
    count = itertools.count()
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    return LazyPattern(re.sub(r"\?P<refs>", lambda _: f"?P<refs{next(count)}>", joined))


_ALL = r"(?:everything|(?:it|that|this) all|all(?: of)? (?:that|this|it)|the (?:whole )?(?:search|conversation|lot))"
_START_OVER = _whole(
    r"start (?:all )?over|start (?:a ?new|a new search|afresh|fresh|from (?:scratch|the beginning))",
    r"start|begin again|restart|reset|new search|from scratch|clean slate",
    rf"(?:reset|clear|forget|scrap|scratch|drop|delete|erase) {_ALL}|clear|start again",
    r"(?:look|search) for (?:something|another (?:photo|picture)) (?:else|entirely)"
    r"|something (?:completely )?different",
)
_UNDO = _whole(
    r"undo(?: (?:that|this|it|the last(?: (?:one|message|change|step|thing))?|my last \w+))?|ctrl[-+ ]?z",
    r"(?:go |step |move |take me )?back(?: (?:one|a)(?: step)?)?|(?:take|put) (?:that|it) back|i take (?:that|it) back",
    r"revert(?: (?:that|it))?|oops|scratch that|cancel(?: that)?|forget (?:that|it|what i (?:just )?said)",
    r"never ?mind(?: (?:that|it))?|ignore (?:that|it|what i (?:just )?said)|that was (?:a mistake|wrong)",
)
_MORE = r"(?:photos?|pictures?|pics?|images?|results?|ones?|hits?|matches|options)"
_NEXT = _whole(
    rf"(?:show (?:me )?|see |give me |load |get |any )?(?:some |a few |the |even )?(?:more|others?|other {_MORE}"
    rf"|different {_MORE}|next(?: (?:page|{_MORE}|few|\d+|ten|twelve))*|more (?:{_MORE}|of (?:them|these|those)))",
    r"next page|page down|keep (?:going|looking)|go on|continue|scroll(?: down)?|and (?:then|next)",
    rf"what else(?: (?:is there|do you have|have you got|did you find))?|anything else|is there more|{_MORE} please",
)
_SKIP = _whole(
    r"skip(?: (?:it|this|that|the question|(?:this|that) (?:one|question)))?|pass|next question|no more questions",
    rf"(?:ask (?:me )?)?something else|ask (?:me )?another(?: question)?|another question"
    rf"|(?:do not|don{_Q}t) ask(?: me)?(?: (?:that|this|any ?more|questions))?|stop asking(?: me)?(?: questions)?",
)
_SORT = _whole(
    rf"(?:sort|order|arrange|list|rank|show)(?: (?:them|these|those|it|all|everything|the {_MORE}|{_MORE}))?"
    r" (?:by|in order of) (?P<by>date|time|age|year|day|match|relevance|score|rank|similarity)"
    r"(?: (?:taken|order|again|descending|ascending))?",
    r"(?:(?:sort|order)(?: (?:them|these|it))? by |the )?(?P<first>newest|oldest|latest|most recent|earliest"
    r"|best)(?: ones?| photos?)? first",
    r"(?:sort|order)(?: (?:them|these|it))?(?: (?P<how>chronologically|by when .+))",
)
_HELP = _whole(
    r"help(?: me)?(?: out)?|/?help|\?+|commands|instructions|manual|what now",
    r"(?:what|which) (?:can|could|should|do|must) i (?:say|do|type|ask|write|answer|enter)(?: (?:here|next|now))?",
    r"how (?:does|do|can|should|am) (?:this|it|i|you|we)\b.*(?:work|use|search|find|go|start|quit|exit|do|ask|say).*",
    r"(?:what|which) (?:commands|keys|options)\b.*|what (?:are|is) (?:my options|this|dar)|(?:who|what) are you"
    r"|what (?:can|do) you do|how do i .*|what do you mean(?: by .+)?",
)
_SUMMARY = _whole(
    r"what (?:exactly )?(?:are|were) (?:you|we) (?:looking|searching)(?: for)?(?: now| exactly)?",
    r"what (?:am i|did i) (?:looking for|searching for|say|said|tell you|ask for)(?: so far)?",
    r"what do you (?:know|understand|remember|have|think i (?:want|mean|am looking for))(?: so far| now| about it)?",
    r"what (?:did|have) you (?:understand|understood|get|got|learn(?:ed)?)(?: so far)?",
    r"(?:show|list|tell)(?: me)? (?:the |my )?(?:filters|chips|query|search|criteria)|summar(?:y|i[sz]e)(?: .*)?",
    r"where are we|what is (?:the|my) (?:query|search)",
)
_WHY = _whole(
    rf"why(?: (?:is|are|was|were|did you (?:show|pick|choose|find)|do you show|do i (?:see|get)|show|not))?(?: me)?"
    rf"(?: (?:{_MANY}|{_THIS}|(?:these|those|them|the .{{1,30}})))?"
    r"(?: (?:there|here|shown|in there|on (?:the page|top)|first|so high|in the results?|the best|up))?",
    rf"(?:what (?:made|makes) you (?:pick|show|choose|think of)) (?:{_MANY}|{_THIS})",
    rf"explain(?: (?:{_MANY}|{_THIS}|the (?:results|order|ranking)))?",
)
_RIGHT = (
    r"(?:it|the one|right|correct|perfect|spot on|(?:exactly )?what i (?:want(?:ed)?|meant|was (?:looking|searching)"
    r" for|am looking for)|my (?:photo|picture)|the (?:right )?(?:photo|picture)|the right one|a match|the match)"
)
_FOUND = _whole(
    rf"{_REFS}{_IS} {_VERY}{_RIGHT}",
    rf"(?:that|this|it)(?:{_Q}s| is| was) {_VERY}(?:{_MANY}|{_RIGHT})",
    rf"(?:(?:i|we|you)(?:{_Q}ve)? )?(?:found|got) (?:it|him|her|them)"
    rf"(?:[\s,:!.-]+(?:it{_Q}s |that{_Q}s |in |at )?{_MANY})?",
    r"bingo|eureka|there (?:it|he|she) is|jackpot",
)
_GOOD = (
    r"(?:close(?:r|st)?|similar|good|better|best|nearly it|almost it|like it|warm(?:er)?|near(?:er|est)?|great|nice"
    r"|(?:in )?the right direction|not bad|promising|nearly|almost|almost right|nearly right|it almost|interesting)"
)
_LIKE = _whole(
    rf"{_REFS}{_IS} {_VERY}{_GOOD}(?: (?:to it|enough|match|one|but not (?:it|quite|exactly)(?: it)?))*",
    rf"(?:what|how) about {_REFS}|(?:is it|it{_Q}?s like|(?:it )?looks like|(?:the )?same as) {_REFS}",
    rf"(?:(?:show me |find |give me )?(?:some |a |another )?(?:more |something |photos? |pictures? |ones? "
    rf"|others? )?(?:just |exactly )?"
    rf"(?:like|similar to|as in|resembling)|closer to|near(?:er)? to|(?:a bit )?more of) {_REFS}",
    rf"i (?:really )?(?:like|prefer|love|choose|pick|take|want|mean|meant) {_REFS}"
    r"(?: (?:best|most|better|more|a lot))?",
    rf"{_MANY}(?: from the left)?|(?:this|that) one|the selected one",
    rf"(?:maybe|perhaps|probably|possibly|i think|i guess) {_MANY}",
    rf"(?:look at|select|choose|pick|open|zoom(?: in)?(?: on)?|go with|take) {_REFS}",
)
_BAD = (
    r"(?:wrong|bad|far off|way off|off|no good|(?:nothing|not) (?:like|close to) it|no match|irrelevant|useless"
    r"|different)"
)
_UNLIKE = _whole(
    rf"not (?:like )?{_REFS}",
    rf"{_REFS}{_NOT} {_VERY}(?:{_RIGHT}|{_GOOD})",
    rf"{_REFS}{_IS} {_VERY}{_BAD}",
    rf"(?:less|nothing|unlike|not|away from)(?: like)? {_REFS}",
    rf"(?:hide|remove|exclude|drop|discard|reject|delete|dismiss|get rid of) {_REFS}",
    rf"i (?:do not|don{_Q}t) (?:like|want|mean|need) {_REFS}",
    rf"no,? not {_REFS}",
)
_THESE = (
    rf"(?:these|those|them|the (?:photos|pictures|above|results|ones|images)(?: (?:shown|here|above))?"
    rf"|(?:the |these |those )?{_MORE})"
)
_NONE = _whole(
    rf"none(?: of {_THESE})?(?: (?:is|are|was|fits?|match(?:es)?|looks?|works?|seems?)(?: .*)?)?|none here",
    rf"(?:it{_Q}s |it is |they{_Q}re |they are )?not (?:any of |one of )?(?:these|those|them|there|here|it|that"
    rf"|quite|yet)"
    r"(?: (?:ones|photos|pictures|at all|either))?",
    rf"(?:{_THIS}|they|these|those|he|she){_NOT} (?:all )?(?:it|here|there|right|the (?:right )?(?:ones?|photos?)|them"
    rf"|what i (?:want|mean|meant|was (?:looking|searching) for|am looking for)|my photo|among {_THESE}"
    rf"|in (?:here|there)"
    r"|on (?:this page|the page)|shown)",
    rf"(?:{_THESE}|all|they|all of {_THESE})(?: are|{_Q}re)? (?:all )?(?:wrong|bad|no good|useless)(?: ones?)?",
    rf"i (?:do not|don{_Q}t|can{_Q}t|cannot) see (?:it|him|her|my photo)(?: (?:here|there|anywhere|among {_THESE}))?",
    rf"nothing (?:here|fits|matches|of that|like it)|neither(?: of {_THESE})?|wrong(?: ones?| photos?)?|no luck",
    rf"i (?:do not|don{_Q}t) (?:like|want|recognise|recognize|know) any(?: of {_THESE})?|try"
    r"|(?:try|look|search) (?:again|harder|elsewhere|something else|(?:some )?others?)|not one",
    rf"(?:still )?no match(?:es)?|(?:it{_Q}s |it is )?missing|still (?:not|no|nothing)(?: (?:there|it|here))?",
)
_REFUSAL = re.compile(r"(?:no+|nope|nah|nay|no no)", re.IGNORECASE)
_WRONG = re.compile(r"wrong|not (?:quite|it|that)|neither", re.IGNORECASE)
# Said without a question being open these say nothing.
_EMPTY = _whole(
    r"(?:ok(?:ay)?|thanks?|thank you|thx|ty|cheers|great|cool|nice|perfect|wow|good|super|awesome|excellent|lovely)"
    r"(?: (?:job|work|you|one|a lot|so much|very much|again|that helps|dar|choice))*",
    r"h(?:i|ello|ey)(?: (?:there|dar))?|hm+|u[hm]+|lol|ha(?:ha)+|oh|ah|so|well|wait|really|what|huh"
    r"|good (?:morning|day)",
    r"yes+|yeah|yep|yup|sure|right|exactly|correct|indeed|true|maybe|perhaps|possibly|probably(?: not)?|of course",
    rf"(?:a (?:bit|little)|sort of|kind ?of|somewhat|more or less|(?:i )?(?:do not|don{_Q}t) (?:care|know|mind"
    rf"|remember)"
    rf"|idk|dunno|no idea|(?:i{_Q}?m )?not (?:so |really |quite )?sure|both|either|whatever|doesn{_Q}t matter"
    rf"|i can{_Q}?t (?:tell|say|remember)|it depends|that{_Q}s (?:great|nice|good))",
    r"(?:that |it |this )?looks? (?:good|great|nice|fine)|(?:bye|goodbye|quit|exit|stop)(?: (?:it|now|that))?"
    r"|you(?: are|'re) (?:wrong|useless|great|right|welcome)",
    r"warmer|colder|(?:(?:you are|you're|we are|we're|it's) )?getting (?:closer|warmer|colder|there)|closer"
    r"|i have no (?:idea"
    r"|clue)|\d{5,}|(?!(?:19|20)\d\d)\d{4}|why not|i see|never|always|of course not",
    r"(?:i(?: am|'m)? )?(?:lost|confused|bored|tired)|test(?:ing)?|are you (?:there|sure|ok|serious)",
)
_PATH = re.compile(
    r"[\"'\u2018\u201c]?(?:file://)?(?P<path>(?:(?:~|\.{1,2})?[/\\]|[A-Za-z]:[/\\])?[^\n\"']*?\."
    r"(?:jpe?g|png|webp|gif|bmp|tiff?|heic|heif|avif|jp2|dng|cr2|cr3|nef|arw|orf|raf|rw2))[\"'\u2019\u201d]?",
    re.IGNORECASE,
)
_PARTED = re.compile(
    r"\s*(?:[,;:.!?\u2013\u2014]|\s-\s)\s*|\s+(?=(?:but|except|only|just|with|without)\b)", re.IGNORECASE
)
_REST = re.compile(
    r"(?:but|except|though|and|it(?:'s| is| was)|only|just|with|that it was|in which)\b[\s,]*", re.IGNORECASE
)
# A short reply to a question that offers two things is a choice between them.
_CHOOSES = listed("first second last former latter")


def intent_of(message: str, question: Question | None = None) -> Intent:
    """What `message` is for, answering `question` or unasked. What no rule knows describes the photo."""
    text = re.sub(r"\s+", " ", message).strip()
    if len(text) > _MOST_CHARACTERS:
        return Intent(Act.DESCRIBE)
    if path := _PATH.fullmatch(text):
        name = path["path"]
        if "/" in name or "\\" in name or " " not in name:
            return Intent(Act.PATH, about=name)
    if question is not None and question.photos and chosen_photo(text, question) is not None:
        return Intent(Act.DESCRIBE)
    if question is not None and not question.is_general and _answers(text, question):
        return Intent(Act.DESCRIBE)
    said = _TAIL.sub("", text)
    for wording in dict.fromkeys((said, _TAIL.sub("", _LEAD.sub("", text, count=1)))):
        if wording and (found := _command(wording, question) or _remark(wording)):
            return found
    if question is None and not said:
        return Intent(Act.HELP if "?" in text else Act.UNCLEAR) if text else Intent(Act.DESCRIBE)
    if question is None and _REFUSAL.fullmatch(said):
        return Intent(Act.NONE)
    if question is None and _EMPTY.fullmatch(said):
        return Intent(Act.UNCLEAR)
    return _parted(text) or Intent(Act.DESCRIBE)


def _command(text: str, question: Question | None) -> Intent | None:
    for act, pattern in (
        (Act.START_OVER, _START_OVER),
        (Act.UNDO, _UNDO),
        (Act.SKIP, _SKIP),
        (Act.NEXT, _NEXT),
        (Act.HELP, _HELP),
        (Act.SUMMARY, _SUMMARY),
    ):
        if pattern.fullmatch(text):
            if act is Act.SKIP and question is None:
                act = Act.UNCLEAR if "ask" in text or "question" in text else Act.NEXT
            return Intent(act)
    if sort := _SORT.fullmatch(text):
        by = (sort["by"] or sort["first"] or "date").lower()
        return Intent(Act.SORT, about="match" if by in listed("match relevance score rank similarity best") else "date")
    if why := _WHY.fullmatch(text):
        return Intent(Act.WHY, _numbers(why))
    return None


def _remark(text: str) -> Intent | None:
    """A remark about photos shown."""
    # What is denied first: "not the second one" speaks of the second one too.
    for act, pattern in ((Act.NONE, _NONE), (Act.UNLIKE, _UNLIKE), (Act.FOUND, _FOUND), (Act.LIKE, _LIKE)):
        if found := pattern.fullmatch(text):
            return Intent(act, _numbers(found))
    return None


def _parted(text: str) -> Intent | None:
    """A remark and what is described besides: "like number 3 but at night"."""
    for gap in _PARTED.finditer(text):
        head, rest = text[: gap.start()], text[gap.end() :].strip()
        head = _TAIL.sub("", _LEAD.sub("", head, count=1))
        # "Wrong, a girl" corrects what was described.
        found = _remark(head) if head and not _WRONG.fullmatch(head) else None
        if found is None and head and _START_OVER.fullmatch(head):
            found = Intent(Act.START_OVER)
        if found is not None and rest:
            if tail := _remark(_TAIL.sub("", _REST.sub("", rest, count=1))):
                # "the second one is close, but not it", "no, not there": the first half says it.
                return found if tail.act in (Act.NONE, found.act) else tail if found.act is Act.NONE else found
            while (shorter := _REST.sub("", rest, count=1) if _REST.match(rest) else rest) != rest:
                rest = shorter
            return Intent(found.act, found.numbers, rest) if rest else found
    return None


def _answers(text: str, question: Question) -> bool:
    """Whether a remark's words answer the question instead: "3" of how many, "the first one" of two choices."""
    what = about(question)
    bare = _TAIL.sub("", _LEAD.sub("", text, count=1)).casefold()
    if what.is_count or (question.expects is Expects.OPEN and not what.is_place):
        return bool(re.fullmatch(rf"{_NUMBER}|none(?: of them)?|zero|(?:{'|'.join(_CARDINALS)})", bare))
    if what.choices:
        return bool(
            re.fullmatch(rf"none(?: of (?:these|them|those))?|neither.*|the (?:{'|'.join(_CHOOSES)})(?: one)?", bare)
        )
    if what.is_time and re.fullmatch(r"\d+", bare):
        return True
    return _EMPTY.fullmatch(bare) is not None or _REFUSAL.fullmatch(bare) is not None


def _numbers(found: re.Match[str]) -> tuple[int, ...]:
    refs = next((text for name, text in found.groupdict().items() if name.startswith("refs") and text), "")
    numbers: list[int] = []
    for item in re.finditer(_ITEM, refs, re.IGNORECASE):
        text = item.group().casefold()
        if few := re.match(r"the first (\w+)", text):
            count = _CARDINALS.get(few[1], int(few[1]) if few[1].isdigit() else 0)
            if count > 1 and few[1] not in ("one",):
                numbers += range(1, count + 1)
                continue
        if figure := re.search(r"\d+", text):
            numbers.append(int(figure[0]))
            continue
        known = [_ORDINALS.get(word) or _CARDINALS.get(word) for word in re.findall(r"[a-z]+", text)]
        numbers += [number for number in known if number is not None][:1]
    return tuple(dict.fromkeys(numbers))

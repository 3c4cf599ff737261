"""What a message asks to change in what was understood before: a thing forgotten, a date withdrawn or joined, a camera,
photos without a date; and the wording around a description that describes nothing ("got any photos with ...").

Takes such phrases out of the text, so that they are never read as a description. Knows one message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dar_tui.language.rules.fields import NO_FIELDS, Fields
from dar_tui.language.rules.moments import HOLIDAY, MONTH, NUMERIC, SEASON, YEAR
from dar_tui.language.rules.words import COLOURS, core, listed, tidy, words

_Q = "['\u2019]?"
_TIME = listed("date dates year years month months day days time season week when")
_FORGET = re.compile(
    rf"(?:(?:please|no|ok|oh|well|actually|just|let{_Q}s|can you|you can|we can)[\s,]+)*"
    r"(?:(?:forget|drop|ignore|never ?mind|scratch|omit|leave out|take (?:out|away|off)|lose|get rid of|delete"
    r"|cut|disregard|don['\u2019]?t (?:mind"
    r"|worry about)"
    r"|(?:i )?(?:don['\u2019]?t|do not) care)(?: about)?(?: what i (?:just )?said(?: about)?)?"
    r" (?P<what>(?:the|that|this|his|her|my|its|those|these|it being|about)? ?.+?)"
    r"|(?P<about>(?:the|that|his|her|its) .+?) (?:does|do)(?:n['\u2019]?t| not) matter"
    r"|(?:it )?(?:does|do)(?:n['\u2019]?t| not) matter (?:which |what |about )?(?P<question>\w+)(?: it was)?"
    r"|(?P<any>any|whatever|no matter"
    r" (?:the|which)) (?P<anywhat>\w+)(?: will do| is fine| is ok(?:ay)?| works)?)"
    r"(?: (?:part|bit|thing|for now|please|then|anymore|any more))*[\s.!]*",
    re.IGNORECASE,
)
_NO_DATE = re.compile(
    rf"(?:(?:no|ok|well|actually|sorry|hmm+)[\s,]+)*(?:any ?time|whenever|no matter when"
    rf"|i{_Q}?m not sure (?:when|about when)"
    rf"(?: it was.*)?|not sure when(?: it was.*)?|(?:the )?(?:date|year|time) (?:is|was) (?:wrong|unknown"
    rf"|not (?:known|sure|clear))"
    rf"|i (?:do not|don{_Q}t) (?:know|remember) (?:when(?: it was.*)?|the (?:date|year|month))"
    r"|(?:remove|clear|without|no) (?:the |any )?(?:date|year|date filter|dates)(?: filter)?|at any time"
    r"|(?:in )?any year"
    rf"|(?:i{_Q}?m )?not (?:really |so |that |quite )?(?:sure|certain) (?:about|of) the (?:date|year|month|time"
    rf"|day|season)"
    r"(?: (?:any ?more|though|actually))?|it may be (?:any|another) year)[\s.!]*",
    re.IGNORECASE,
)
_UNDATED = re.compile(
    r"(?:and |but |please |also )*(?P<verb>include|show|keep|allow|add|with|exclude|hide|leave out|drop"
    r"|without)(?: me)?"
    r"(?: (?:also|too|the|all|any|even|those|these))*"
    r" (?:undated(?: (?:ones|photos|pictures))?|(?:photos|pictures|ones|those|images)?"
    r" ?(?:without|with no|that have no|that know no|which have no) (?:a |any |known )?(?:dates?))(?: (?:too"
    r"|as well|also))*[\s.!]*",
    re.IGNORECASE,
)
_BRANDS = (
    r"canon|nikon|sony|fuji(?:film)?|olympus|panasonic|lumix|leica|pentax|kodak|gopro|iphone|ipad|samsung|galaxy|pixel"
    r"|google pixel|huawei|xiaomi|oneplus|motorola|nokia|dji|hasselblad|ricoh|casio|sigma|minolta|polaroid|apple"
)
_CAMERA = (
    rf"(?P<camera>(?:{_BRANDS})(?:[ -](?:eos|coolpix|powershot|cybershot|alpha|hero|pro|max|plus|mini|ultra|mark"
    rf"|ii|iii|iv|se|xs|xr"
    r"|[a-z]{0,3}-?\d{1,4}[a-z]{0,3}))*)\b"
)
_WITH = (
    r"(?:with|on|by|using|from) (?:(?:my|our|the|a|an|his|her|their|dad['\u2019]?s|mum['\u2019]?s"
    r"|mom['\u2019]?s) )?(?:old |new )?"
)
_SHOT = re.compile(
    rf"[\s,]*(?:(?:it|they|that|this)(?: was| were|['\u2019]s)? |and |which (?:was|were) |i )?(?:taken|shot"
    rf"|photographed|made|took(?: it| this)?) {_WITH}{_CAMERA}"
    r"(?: (?:camera|phone|cam))?",
    re.IGNORECASE,
)
_CAMERA_ALONE = re.compile(
    rf"(?:(?:no|and|but|it was|only|just|actually|or)[\s,]+)*(?:{_WITH}|camera:? (?:is |was )?(?:a |an "
    rf"|my )?){_CAMERA}(?: (?:camera|phone|cam))?[\s.!]*",
    re.IGNORECASE,
)
_PHOTOS = r"(?:photos?|pictures?|pics?|images?|shots?|ones?)"
_REQUEST = re.compile(
    r"(?:(?:hi|hello|hey|please|ok|okay|so|well|and)[\s,!]+)*"
    rf"(?:(?:(?:have you|do you have|have we|do we have|did i take|do i have|is there|are there|you) )?(?:got )?(?:any"
    rf"|some|a) {_PHOTOS}(?= (?:of|with|where|showing|that|from)\b)"
    rf"|(?:do you have|have you got|have we got|got|do i have|do we have) (?:(?:any|some|a|the|my) )?{_PHOTOS}"
    r"|(?:can|could) you (?:please )?(?:find|show|get|search for|look for)(?: me)?"
    r"|(?:find|show|get|give|search|fetch|look for|search for)(?: me| us)?(?: for)?(?= )"
    r"|i(?: want|['\u2019]d like| would like| need)(?: to (?:see|find))?"
    r"|i(?:['\u2019]m| am)(?: trying to| hoping to)? (?:looking|searching|look|search|find|after)(?: for)?"
    r"|looking for|do you (?:remember|know)|(?:i |i still )remember(?= the one)"
    rf"|where(?:['\u2019]s| is| are) (?:the |my )?{_PHOTOS}(?= (?:of|with|where)))"
    rf"\s+(?:(?:any|some|all|me|the|my|a|an|more|other|those|these|that|few) )*?"
    rf"(?:{_PHOTOS}\s+(?:(?:that|which) (?:show|have|shows|has)|of|with|where|showing|from(?= my))\s+)?",
    re.IGNORECASE,
)
_LED_IN = re.compile(r"^\s*(?:of|with|where|showing|(?:that|which) (?:shows?|ha(?:ve|s)))\s+", re.IGNORECASE)
_EITHER = re.compile(r"\beither (?=.+ or )", re.IGNORECASE)
_CLOSING = re.compile(r"\s+in (?:it|them|there)\s*\?*\s*$|\s*\?+\s*$", re.IGNORECASE)
_CHANGE = re.compile(
    r"(?:(?:please|no|ok|actually|can you|could you)[\s,]+)*(?:(?:change|replace|swap|switch|turn)"
    r" (?P<old>(?!(?:it|that|this|him|her|them)\b).+?) (?:to|with|for|into|by) (?P<new>.+)"
    r"|instead of (?P<old2>(?:a|an|the) \w+),? (?P<new2>(?:a|an|the|my|two) .+))",
    re.IGNORECASE,
)
_IT = r"(?:it|that|this|him|her|them)"
_MAKE = rf"(?:(?:make|let) {_IT}(?: be)?|(?:change|turn|switch) {_IT} (?:to|into))"
_REPLACES = re.compile(
    r"^\s*(?:(?:oh|oops|ah|hm+|um+|well)[\s,]+)*(?:no+|nope|nah|wrong|not quite|wait|no wait|sorry|oops|correction"
    r"|rather|i mean(?:t)?|on second thought|more like)\b(?![- ]one)[\s,.!]*(?=\S)"
    rf"|^\s*(?:no[\s,]+)?(?:please )?{_MAKE} |\binstead[\s.!]*$|\bactually\b|\bi meant\b",
    re.IGNORECASE,
)
_MAKE_IT = re.compile(rf"^\s*(?:no[\s,]+)?(?:please )?{_MAKE} ", re.IGNORECASE)
_REFUSED = re.compile(r"^\s*(?:nope|nah|wrong|not quite)\b[\s,.!]*", re.IGNORECASE)
# "The door was red": a quality of a thing, said the short way.
_QUALITY = re.compile(
    rf"^(?P<lead>\W*(?:(?:no|actually|sorry|wait|oh)[\s,]+)*)(?:the|his|her|its|their) (?P<noun>\w+)"
    rf" (?:is|was|are|were) (?P<colour>{'|'.join(sorted(COLOURS))})(?= *(?:actually|instead|though)? *[.!]*$)",
    re.IGNORECASE,
)
# "no people", "no guitar": a denial and no replacement.
_DENIES = re.compile(
    r"\s*(?:no|not)\s+(?!(?:wait|sorry|it|he|she|they|that|i|a|an|the|in|on|at|two|three|four|five)\b)\w", re.IGNORECASE
)
_JOINS = re.compile(r"\s*(?:or|and|maybe also|or maybe|or perhaps|or else|or even|possibly)\b", re.IGNORECASE)
_POINT = rf"(?:{NUMERIC}|{MONTH} {YEAR}|{SEASON} {YEAR}|{YEAR}|{MONTH}|{SEASON}|{HOLIDAY})"
_TWO_POINTS = re.compile(
    rf"\s*(?:maybe |perhaps |either )?(?P<one>{_POINT}) or (?P<two>{_POINT})[\s.!]*", re.IGNORECASE
)
_SMALL = (
    r"no|not|sorry|wait|actually|only|just|or|maybe|perhaps|even|i mean(?:t)?|it was|but|and|also|hmm+|oh|rather"
    r"|too|instead"
    r"|as well|probably|i think|either|possibly|else"
)
_BARE = rf"(?:(?:early|late|mid)[ -](?:{YEAR}|\d{{4}}s)|{MONTH} {YEAR}|{SEASON} {YEAR}|{YEAR}|{MONTH}|{SEASON})"
_DATES_ONLY = re.compile(rf"(?:\b(?:{_SMALL}|(?P<point>{_BARE}))(?![\w-])[\s,.!]*)+", re.IGNORECASE)
_BARE_POINT = re.compile(rf"(?<![\w-])(?P<point>{_BARE})(?![\w-])", re.IGNORECASE)
_LEADING = re.compile(
    r"\s*(?:(?:only|just|or|and|also|even|else|either|possibly|maybe|perhaps|but|too)\b[\s,]*)+", re.IGNORECASE
)
_LIKELY_DATE = re.compile(
    r"\b(?:on |from |of |at |dated )*(?P<day>\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d|(?:19|20)\d\d-\d{1,2}-\d{1,2}"
    r"|(?:\d{1,2}(?:st|nd|rd|th)?"
    rf" (?:of )?{MONTH},? {YEAR})|{MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? {YEAR})(?![\d-])",
    re.IGNORECASE,
)
_LITTLE = re.compile(
    r"\b(?:hardly|barely|scarcely) (?:any|a)\b|\b(?:almost|nearly|practically|virtually) no\b|\bnext to no\b"
    r"|\blittle to no\b",
    re.IGNORECASE,
)
_NOT_SO = re.compile(
    r"\b(?P<article>an?|the|my|some) not (?:so |very |too |that |particularly |really |quite "
    r"|all that )*(?P<quality>\w+)"
    r" (?P<noun>\w+)",
    re.IGNORECASE,
)
_SINGLE = re.compile(r"\bno more (?!than\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Requests:
    """What a message asks for besides describing, and `text`: what is left to read as a description.

    `forgets`: phrases no longer meant. `when_forgotten`, `when_joined`: dates are dropped, or added to the last one.
    `replaces`: what it names takes the place of what is of its kind. `old`, `new`: one phrase put for another.
    `undated`: whether photos without a date pass a filter by date; None where nothing is said of it. `fields`: what it
    asks of the words about photos, which is taken out of the message before.
    """

    text: str
    forgets: tuple[str, ...] = ()
    when_forgotten: bool = False
    when_joined: bool = False
    when_replaced: bool = False
    replaces: bool = False
    old: str = ""
    new: str = ""
    camera: str = ""
    undated: bool | None = None
    fields: Fields = NO_FIELDS


NOTHING_ASKED = Requests("")


def requests_in(message: str, *, asked: bool) -> Requests:
    """What `message` asks to change. `asked`: it answers a question, whose no is no correction."""
    text = message
    if undated := _UNDATED.fullmatch(text):
        return Requests("", undated=undated["verb"].lower() in ("include", "show", "keep", "allow", "add", "with"))
    if _NO_DATE.fullmatch(text) and not asked:
        return Requests("", when_forgotten=True)
    if (forget := _FORGET.fullmatch(text)) and not asked:
        what = forget["what"] or forget["about"] or forget["question"] or forget["anywhat"]
        things = tuple(thing for part in re.split(r",|\band\b", what) if (thing := core(tidy(part))))
        when = bool(things) and all(_TIME & {word.key for word in words(thing)} for thing in things)
        if not forget["any"] or when or things[0].casefold() in ("colour", "color", "place", "number", "where"):
            return Requests("", () if when else things, when_forgotten=when)
    if camera := _CAMERA_ALONE.fullmatch(text):
        return Requests("", camera=camera["camera"])
    camera = _SHOT.search(text)
    if camera:
        text = tidy(f"{text[: camera.start()]}{text[camera.end() :]}")
    if change := _CHANGE.fullmatch(text):
        old, new = change["old"] or change["old2"], change["new"] or change["new2"]
        return Requests(tidy(new), replaces=True, old=core(old), new=tidy(new))
    replaces = not asked and _REPLACES.search(text) is not None and not _DENIES.match(text)
    text = _MAKE_IT.sub("", text)
    if not asked:
        text = _QUALITY.sub(r"\g<lead>\g<colour> \g<noun>", _REFUSED.sub("", text))
    request = _REQUEST.match(text)
    if request and text[request.end() :].strip():
        text = _LED_IN.sub("", text[request.end() :])
    text = _EITHER.sub("", text)
    text = _CLOSING.sub("", text) if text.rstrip().endswith("?") or request else text
    joins = False
    only = re.match(r"\s*(?:only|just)\b", text, re.IGNORECASE) is not None
    if two := _TWO_POINTS.fullmatch(text):
        text = f"in {two['one']} or {two['two']}"
    elif (dates := _DATES_ONLY.fullmatch(text)) and dates["point"]:
        joins = _JOINS.match(text) is not None
        text = _BARE_POINT.sub(r"in \g<point>", _LEADING.sub("", text))
    text = _LITTLE.sub("no", text)
    text = _SINGLE.sub("no ", text)
    text = _NOT_SO.sub(
        lambda found: f"{found['article']} {found['noun']}, not {found['quality']} {found['noun']},", text
    )
    return Requests(
        text,
        when_joined=joins,
        when_replaced=replaces or only,
        replaces=replaces,
        camera=camera["camera"] if camera else "",
    )


def no_such_days(text: str, found: list[tuple[int, int]]) -> tuple[str, tuple[str, ...]]:
    """The text without what looks like a day and is none ("31.02.2019"), and those days; `found` are days that are."""
    wrong = [
        match
        for match in _LIKELY_DATE.finditer(text)
        if not any(start < match.end() and match.start() < end for start, end in found)
    ]
    for match in reversed(wrong):
        text = f"{text[: match.start()]}{text[match.end() :]}"
    return text, tuple(match["day"] for match in wrong)

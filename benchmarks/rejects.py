"""What `dar search "no people"` still finds of people, counted by captions that people wrote.

    python -m benchmarks.rejects [--photos DIR] [--captions TSV] [--library DIR] [--weights]

Photos are indexed once into `--library` (7,091 take about two minutes; none are encoded again). Then, for people, dogs,
snow and water, the real command is run for the reject alone, in several wordings, and after a want ("a street without
people"): of the first 12 photos, how many have a caption that names what was rejected. At most 2 should.

`--weights` measures instead what a reject should weigh beside a want: for pairs of things that captions often name, the
share of the first 12 photos that show the one and not the other, by weight; and by the weights that
`fusion.evidence.firmly` chooses for each.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.commands import DAR

CAPTIONED = Path(__file__).parents[2] / "shared" / "photos"
SHOWN, MOST = 12, 2
# Words by which a caption says that the thing is there, as parts of an expression. Wide on purpose: a skier is a
# person; but "his" is said of dogs too, and so is "a couple of".
NAMED: Mapping[str, str] = {
    "people": r"people|persons?|m[ae]n|wom[ae]n|boys?|girls?|child(?:ren)?|kids?|bab(?:y|ies)|toddlers?|infants?|guys?"
    r"|lad(?:y|ies)|gentlem[ae]n|adults?|teen(?:ager|s)?\w*|crowds?|famil(?:y|ies)|couples?(?! of)|friends?|players?"
    r"|teams?|groups? of (?!dogs|animals|birds|horses)|someone|somebody|human\w*|male|females?"
    r"|(?:ski|surf|climb|bik|rid|hik|danc|swim+|run+|rac|skat|snowboard|skateboard|wrestl|box|jog+|perform|driv|div"
    r"|walk|fish|work|kayak|sing|drumm|wakeboard|windsurf|parasail|paraglid|speak|teach|own|campe|spectat|rollerblad|golf)"
    r"(?:er|or)s?|cyclists?|bicyclists?|motorcyclists?|athletes?|fisherm[ae]n|soldiers?|cowboys?|artists?|musicians?"
    r"|brides?|grooms?|tourists?|pedestrians?|quarterbacks?|officers?|police\w*|goalies?|workm[ae]n|parents?|mothers?"
    r"|fathers?|dads?|moms?|mum|sons?|daughters?|brothers?|sisters?|students?|spectators?|rafters?|gymnasts?|acrobats?"
    r"|hands?|passengers?|customers?|band|audience|hockey|cheerleaders?|clowns?|santa|asians?|elderly",
    "dog": r"dogs?|pupp(?:y|ies)|hounds?|greyhounds?|terriers?|poodles?|labradors?|retrievers?|collies?|bulldogs?"
    r"|dachshunds?|spaniels?|huskys?|huskies|shepherds?|beagles?|dalmatians?|rottweilers?|corgis?|pugs?|mutts?|canines?"
    r"|dobermans?|pitbulls?|schnauzers?|chihuahuas?|boxers?|whippets?|sheepdogs?|setters?|pooch",
    "snow": r"snow\w*|ski(?:s|ing|ers?|ed)?|sled\w*|icy|ice|blizzards?|winter|igloo",
    "water": r"water\w*|sea|seas|oceans?|lakes?|rivers?|streams?|pools?|ponds?|waves?|surf\w*|swim\w*|beach\w*|shores?"
    r"|wet|splash\w*|fountains?|boats?|kayak\w*|canoe\w*|creeks?|puddles?|sprinklers?|div(?:es?|ing|er)|rapids|raft\w*"
    r"|bath\w*|wakeboard\w*|tide|surfboard\w*|shoreline|rain\w*|hose|bay|harbou?r",
}
TEXTS: Mapping[str, tuple[str, ...]] = {
    "people": (
        *("no people", "without people", "photos that aren't of people", "nobody", "a street without people"),
        *("a beach without people", "a mountain without people", "a dog, no people", "a park without people"),
    ),
    "dog": (
        *("no dog", "photos that aren't of dogs", "without any dogs", "a park without dogs", "grass without dogs"),
        *("a beach without dogs", "a ball, no dogs"),
    ),
    "snow": ("no snow", "anything but snow", "a mountain without snow", "a tree without snow", "a man, no snow"),
    "water": ("no water", "photos without water", "a boy, no water", "a dog, not in the water", "people, no water"),
}


# For the weight of a reject beside a want: things of one look, each wanted with each other rejected.
THINGS: Mapping[str, str] = {
    "a street": r"streets?|roads?|sidewalks?",
    "a beach": r"beach\w*|shores?|sand",
    "a mountain": r"mountains?|hills?|cliffs?",
    "grass": r"grass\w*|lawn|fields?",
    "a park": r"parks?|playgrounds?",
    "a bicycle": r"bikes?|bicycles?|bikers?|cyclists?",
    "a ball": r"balls?|football|soccer|basketball|baseball|tennis",
    "a car": r"cars?|vehicles?|trucks?",
    "a tree": r"trees?|woods|forest",
    "a boy": r"boys?",
    "a girl": r"girls?",
    "a woman": r"wom[ae]n|lad(?:y|ies)",
    "a man": r"m[ae]n",
    "people": NAMED["people"],
    "a dog": NAMED["dog"],
    "snow": NAMED["snow"],
    "water": NAMED["water"],
}
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
QUERIES, SEED = 600, 0


def main(
    photos: Annotated[Path, typer.Option(help="Folder of the captioned photos.")] = CAPTIONED / "people",
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption.")] = CAPTIONED / "people.captions.tsv",
    library: Annotated[Path, typer.Option(help="Where they are indexed, or are to be.")] = Path("build/rejects"),
    weights: Annotated[bool, typer.Option("--weights", help="Measure the weight beside a want instead.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Counts what was rejected and is found all the same; ends with 1 if it is found too often."""
    subprocess.run([*DAR, "index", str(photos), "--library", str(library)], check=True, stdout=subprocess.DEVNULL)
    described = captions_of(captions)
    if weights:
        by_weight(library, described)
        return
    table = Table("rejected", "text", f"of {SHOWN} name it", "of all, %")
    figures, failed = {}, False
    for thing, texts in TEXTS.items():
        showing = re.compile(rf"\b(?:{NAMED[thing]})\b", re.IGNORECASE)
        share = 100 * sum(bool(showing.search(described[name])) for name in described) / len(described)
        for text in texts:
            found = found_by(text, library)
            count = sum(bool(showing.search(described.get(name, ""))) for name in found)
            figures[text] = count
            failed |= len(found) != SHOWN or (count > MOST and text == f"no {thing}")
            table.add_row(thing, text, str(count), f"{share:.0f}")
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")
    raise typer.Exit(int(failed))


def captions_of(file: Path) -> dict[str, str]:
    """All that people wrote of each photo, by the file's name."""
    described: dict[str, str] = defaultdict(str)
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, caption = line.partition("\t")
        described[name] += f"{caption}\n"
    return dict(described)


def found_by(text: str, library: Path) -> list[str]:
    """The names of the first photos that the command finds."""
    command = [*DAR, "search", text, "-k", str(SHOWN), "--library", str(library), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return [Path(hit["path"]).name for hit in json.loads(done.stdout)["hits"]]


def by_weight(library: Path, described: Mapping[str, str]) -> None:
    """Prints, by weight, how well the first photos keep to want and reject, and whether one looked for is still found.

    The second: a photo's caption is the want, the reject something that none of its captions names.
    """
    from dar_tui.fusion.evidence import FIRMER, QueryEncoder, against
    from dar_tui.language.rules.words import core
    from indexer.encoders import load_encoder
    from indexer.library import Library

    reader = QueryEncoder(load_encoder("bundled"))
    with Library.open(library) as opened:
        ids = opened.sample(len(described))
        photos = opened.vectors(ids)
        names = [hit.path.name for hit in opened.photos(ids)]
    shows = {
        thing: np.array([bool(re.search(rf"\b(?:{named})\b", described[name], re.IGNORECASE)) for name in names])
        for thing, named in THINGS.items()
    }
    wants = dict(zip(THINGS, reader.texts(list(THINGS)), strict=True))
    rejects = dict(zip(THINGS, against(reader, [core(thing) for thing in THINGS], alone=False)[0], strict=True))
    rejects = {thing: vector / np.linalg.norm(vector) for thing, vector in rejects.items()}
    pairs = [
        (want, reject)
        for want in THINGS
        for reject in THINGS
        if min((shows[want] & ~shows[reject]).sum(), (shows[want] & shows[reject]).sum()) >= SHOWN
    ]
    random = np.random.default_rng(SEED)
    targets = random.permutation(len(names))[:QUERIES]
    captions = reader.encoder.encode_texts([described[names[at]].splitlines()[random.integers(5)] for at in targets])
    near_captions = photos @ captions.T
    near_rejects = {thing: photos @ vector for thing, vector in rejects.items()}
    near_wants = {thing: photos @ vector for thing, vector in wants.items()}
    table = Table(
        "weight",
        f"first {SHOWN}: want, no reject, %",
        "want seen, %",
        "reject seen, %",
        "caption's photo in first 10, %",
    )
    for weights in (*((weight,) for weight in WEIGHTS), FIRMER):
        first = [(*pair, _first(_scores(near_wants[pair[0]], near_rejects[pair[1]], weights))) for pair in pairs]
        kept = [np.mean((shows[want] & ~shows[reject])[top]) for want, reject, top in first]
        wanted = [np.mean(shows[want][top]) for want, _, top in first]
        seen = [np.mean(shows[reject][top]) for _, reject, top in first]
        found = [
            np.count_nonzero(scores > scores[at]) < 10
            for thing, near in near_rejects.items()
            for at, near_caption in zip(targets, near_captions.T, strict=True)
            if not shows[thing][at]
            for scores in [_scores(near_caption, near, weights)]
        ]
        name = " or ".join(map(str, weights))
        table.add_row(name, *(f"{100 * float(np.mean(part)):.1f}" for part in (kept, wanted, seen, found)))
    Console().print(f"{len(pairs)} pairs, {len(found):,} captions with a reject, {len(names):,} photos")
    Console().print(table)


def _scores(want: NDArray[np.float32], reject: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """By the first weight that keeps the reject off the first page, as `firmly` chooses; by the last if none does."""
    low, high = np.quantile(reject, (0.02, 0.98)) if len(weights) > 1 else (0.0, 0.0)
    for weight in weights:
        scores = want - np.float32(weight) * reject
        if len(weights) > 1 and np.count_nonzero(reject[_first(scores)] > (low + high) / 2) <= MOST:
            break
    return np.asarray(scores, np.float32)


def _first(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    top = np.argpartition(-scores, SHOWN)[:SHOWN]
    return np.asarray(top[np.argsort(-scores[top], kind="stable")], np.int64)


if __name__ == "__main__":
    typer.run(main)

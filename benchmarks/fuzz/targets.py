"""What is fuzzed, and what must hold: each target takes any bytes and returns, or raises because dar is at fault.

A target lets pass only the errors its door promises. It knows nothing of the fuzzer that calls it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image

from dar_tui.cli.script import lines
from dar_tui.dialogue.dialogue import Dialogue, DialogueUnreadable, OnPhoto, OnPicture, Opinion, QuestionSkipped
from dar_tui.language.turn import Question
from dar_tui.reformulate import RuleReformulator
from dar_tui.session.transcript import Log, Pictured, Prompted, Shown, Started, record_to_json, sessions
from dar_tui.settings import load_settings
from indexer.errors import DarError, UnreadablePhoto, UsageError
from indexer.photos.file_facts import read_file_facts
from indexer.photos.photo import THUMBNAIL_SIDE, open_photo
from indexer.printable import stripped
from tests.metadata_photos import takeout, xmp
from tests.raw_photos import dng

# Any moment will do; a fixed one makes "last summer" mean the same in every run.
_NOW = datetime(2024, 10, 15, 12)
_SIDE = 64


@dataclass(frozen=True)
class Target:
    """`run` takes one input; `seeds` are good ones to begin from."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


def _heif(data: bytes) -> None:
    _container("HEIF", data)


def _avif(data: bytes) -> None:
    _container("AVIF", data)


def _container(kind: str, data: bytes) -> None:
    # In this process, where a crash is seen; dar itself lets these decoders run in processes of their own.
    from indexer.photos.extras_decoder import answer

    reply, _ = answer([kind, str(_SIDE), "1000000"], BytesIO(data))
    assert "error" in reply or int(str(reply["width"])) > 0


def _raw(data: bytes) -> None:
    # In this process as well.
    from indexer.photos.raw_decoder import DEVELOP, PREVIEW, answer

    for task in (PREVIEW, DEVELOP):
        reply, _ = answer([task], BytesIO(data))
        assert "error" in reply or int(str(reply["pixels"])) >= 0


def _photo(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".jpg", dir=_memory()) as file:
        file.write(data)
        file.flush()
        try:
            photo = open_photo(Path(file.name), _SIDE)
        except UnreadablePhoto as error:
            _is_one_line(error)
            return
    with Image.open(BytesIO(photo.thumbnail)) as thumbnail:
        assert max(thumbnail.size) <= THUMBNAIL_SIDE and thumbnail.format == "JPEG"
    assert photo.image.mode == "RGB" and photo.width > 0 and photo.height > 0
    facts = photo.facts
    assert facts.camera == stripped(facts.camera)
    assert facts.latitude is None or -90 <= facts.latitude <= 90
    assert facts.longitude is None or -180 <= facts.longitude <= 180
    assert facts.taken_at is None or 1826 <= facts.taken_at.year <= 2100


def _exif(data: bytes) -> None:
    buffer = BytesIO()
    # A JPEG segment holds at most 65,533 bytes, six of which name it.
    Image.new("RGB", (16, 8)).save(buffer, "JPEG", exif=b"Exif\0\0" + data[:65_000])
    _photo(buffer.getvalue())


def _beside(data: bytes) -> None:
    """What lies beside a photo: Takeout's JSON or XMP, by the first byte. The first hundred name the photo as well."""
    with tempfile.NamedTemporaryFile(suffix=".json" if data[:1] == b"{" else ".xmp", dir=_memory()) as file:
        file.write(data)
        file.flush()
        name = data[:100].replace(b"/", b"-").replace(b"\0", b"")
        facts = read_file_facts(b"/photos/" + name, [file.name.encode()], 1)
    assert facts.taken is None or 1826 <= facts.taken.moment.year <= 2101
    assert facts.latitude is None or (-90 <= facts.latitude <= 90 and facts.longitude is not None)


def _dialogue(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        _derive(Dialogue.from_json(json.loads(text)))
    except (DialogueUnreadable, ValueError, RecursionError) as error:
        # Only json may say that a text is no JSON; a dialogue that cannot be read has an error of its own.
        assert isinstance(error, DialogueUnreadable | json.JSONDecodeError | RecursionError), error
    # Lines are messages; what follows a tab is the question that the message answers.
    dialogue = Dialogue()
    for line in text.split("\n")[:8]:
        message, _, question = line.partition("\t")
        if question.strip():
            dialogue = dialogue.asked(Question(question))
        dialogue = dialogue.said(message, _NOW)
    _derive(dialogue)
    assert Dialogue.from_json(json.loads(json.dumps(dialogue.to_json()))) == dialogue


def _session(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(data)
        sessions(path.parent)
        log = Log(path, Started(_NOW))
        try:
            restored = log.restored()
        except DialogueUnreadable as error:
            _is_one_line(error)
            return
        finally:
            log.close()
    _derive(restored.dialogue)
    for query in restored.queries.values():
        assert all(isinstance(text, str) for text in query.texts)


def _derive(dialogue: Dialogue) -> None:
    written = RuleReformulator().reformulate(dialogue, k=3)
    assert len(written.prompts) <= 3


def _script(data: bytes) -> None:
    try:
        for line in lines(data.decode("utf-8", "replace").splitlines()):
            assert line.text and line.number >= 0
    except UsageError as error:
        _is_one_line(error)


def _config(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml", dir=_memory()) as file:
        file.write(data)
        file.flush()
        try:
            load_settings({"DAR_HOME": "/nowhere", "DAR_CONFIG": file.name})
        except UsageError as error:
            _is_one_line(error)


def _is_one_line(error: DarError) -> None:
    for text in (error.message, error.hint):
        assert text == stripped(text, limit=len(text) or 1) or "  " in text, repr(text)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _pictures() -> Iterator[bytes]:
    image = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    kinds: list[tuple[str, dict[str, object]]] = [
        *(("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("WEBP", {"lossless": True})),
        *(("GIF", {}), ("BMP", {}), ("JPEG2000", {}), ("PPM", {}), ("TIFF", {}), ("TIFF", {"compression": "jpeg"})),
        *(("TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_deflate", "packbits")),
        *(("PNG", {"save_all": True, "append_images": [image.rotate(90)]}), ("MPO", {})),
    ]
    for name, options in kinds:
        buffer = BytesIO()
        image.save(buffer, name, **options)
        yield buffer.getvalue()


def _heif_pictures() -> Iterator[bytes]:
    import pillow_heif

    pillow_heif.register_heif_opener()
    yield _saved("HEIF")


def _avif_pictures() -> Iterator[bytes]:
    import pillow_avif  # noqa: F401 - makes AVIF known to Pillow

    yield _saved("AVIF")


def _saved(name: str) -> bytes:
    buffer = BytesIO()
    image = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    image.save(buffer, name, exif=Image.Exif().tobytes())
    return buffer.getvalue()


def _sidecars() -> Iterator[bytes]:
    yield takeout(_NOW, (48.1, 11.5)).encode()
    for elements in (False, True):
        yield xmp({"exif:DateTimeOriginal": "2019-07-04T12:34:56", "exif:GPSLatitude": "48,8.2N"}, elements=elements)


def _raw_files() -> Iterator[bytes]:
    small = Image.linear_gradient("L").resize((32, 24)).convert("RGB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dng"
        for preview in (None, small):
            yield dng(path, small, preview).read_bytes()


def _exif_blocks() -> Iterator[bytes]:
    exif = Image.Exif()
    exif[271], exif[272], exif[274], exif[306] = "Canon", "EOS R5", 6, "2019:07:04 12:34:56"
    exif[0x8769] = {36867: "2019:07:04 12:34:56"}
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 14.0), 3: "E", 4: (11.0, 34.0, 31.0)}
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    yield block
    yield block[: len(block) // 2]


def _dialogues() -> Iterator[bytes]:
    yield b"a dog on the beach, not a cat\nno, two dogs\tHow many dogs are there?\nlast summer in Italy"
    yield "一只狗\t哪里\n犬\nit was raining, instead of the car a bus".encode()
    yield json.dumps(Dialogue().said("a dog", _NOW).asked(Question("Indoors?")).said("yes", _NOW).to_json()).encode()


def _saved_sessions() -> Iterator[bytes]:
    dialogue = Dialogue().said("a dog", _NOW).asked(Question("Indoors?", choices=("yes", "no"))).said("yes", _NOW)
    dialogue = dialogue.after(OnPhoto("3", Opinion.GOOD), OnPicture(0, 0, Opinion.BAD), QuestionSkipped())
    prompted = Prompted(0, ("a dog",), ("a photo of a dog",), (7,))
    records = [Started(_NOW, "/photos", "bundled"), *dialogue.events, prompted, Pictured(0, 0, "a.png")]
    yield "".join(f"{json.dumps(record_to_json(record))}\n" for record in [*records, Shown(0, "text", ("3",))]).encode()


def _scripts() -> Iterator[bytes]:
    yield b"a dog\n/like 2\n/unlike 1\n/pick 1\n/veto 3\n/skip\n/yes\n/no\n"


def _configs() -> Iterator[bytes]:
    yield b'profile = "bundled"\ndevice = "cuda:0"\nimages = "off"\nexclude = ["*.png"]\nlibrary = "~/x"\n'


TARGETS = {
    "photo": Target(_photo, _pictures),
    "heif": Target(_heif, _heif_pictures),
    "avif": Target(_avif, _avif_pictures),
    "raw": Target(_raw, _raw_files),
    "exif": Target(_exif, _exif_blocks),
    "beside": Target(_beside, _sidecars),
    "dialogue": Target(_dialogue, _dialogues),
    "session": Target(_session, _saved_sessions),
    "script": Target(_script, _scripts),
    "config": Target(_config, _configs),
}

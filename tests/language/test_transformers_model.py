"""Language models run by transformers, on a tiny real one loaded from disk; and which specs mean what."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dar_tui.cancellation import Stopped
from dar_tui.language.loading import load_language
from dar_tui.language.transformers_model import TransformersModel
from indexer.errors import ModelUnavailable, UsageError

Save = Callable[[Path, str | None], Path]


@pytest.fixture(scope="module")
def model(chat_model: Path) -> TransformersModel:
    return TransformersModel(str(chat_model), "cpu")


def test_answers_with_the_likeliest_tokens(chat_model: Path) -> None:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    reference = LlamaForCausalLM.from_pretrained(chat_model).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(chat_model)
    asked = tokenizer("<|system|>rewrite<|end|><|user|>a dog<|end|><|assistant|>", return_tensors="pt")["input_ids"]
    ids = asked
    for _ in range(12):
        ids = torch.cat([ids, reference(ids).logits[:, -1:].argmax(-1)], dim=1)
        if int(ids[0, -1]) == 2:
            break
    expected = tokenizer.decode(ids[0, asked.shape[1] :], skip_special_tokens=True).strip()

    model = load_language(f"transformers:{chat_model}", "cpu")
    assert model is not None
    assert model.complete("rewrite", "a dog", 12) == expected != ""
    assert model.complete("rewrite", "a dog", 12) == expected
    assert len(model.complete("rewrite", "a dog", 3)) <= 3


def test_ends_before_a_stop(model: TransformersModel) -> None:
    text = model.complete("rewrite", "a dog", 12)
    stop = text[4]
    assert model.complete("rewrite", "a dog", 12, stop=[stop]) == text[: text.index(stop)].strip()


def test_can_be_stopped_in_the_middle(model: TransformersModel) -> None:
    polls: list[int] = []

    def cancelled() -> bool:
        polls.append(1)
        return len(polls) >= 3

    with pytest.raises(Stopped):
        model.complete("rewrite", "a dog", 100, cancelled=cancelled)
    assert len(polls) == 4  # Three tokens, and once after.
    assert model.complete("rewrite", "a dog", 5)


def test_a_question_too_long_is_a_clear_error(model: TransformersModel) -> None:
    with pytest.raises(ModelUnavailable, match="reads 256"):
        model.complete("rewrite", "a dog " * 60, 10)


def test_a_model_without_a_system_role_gets_it_in_the_question(save_model: Save, tmp_path: Path) -> None:
    question = "{{ messages[-1]['content'] }}"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + question
    model = TransformersModel(str(save_model(tmp_path / "gemma", refusing)), "cpu")
    joined = TransformersModel(str(save_model(tmp_path / "plain", question)), "cpu")
    assert model.complete("rewrite", "a dog", 8) == joined.complete("unseen", "rewrite\n\na dog", 8) != ""


def test_a_model_without_a_chat_template_is_refused(save_model: Save, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no chat template") as caught:
        TransformersModel(str(save_model(tmp_path / "base", None)), "cpu")
    assert "instruct" in caught.value.hint


def test_writes_nothing_to_the_terminal(chat_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    TransformersModel(str(chat_model), "cpu").complete("rewrite", "a dog", 4)
    assert capfd.readouterr() == ("", "")


def test_pickled_weights_are_refused(chat_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chat_model, tmp_path / "copy"))
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        TransformersModel(str(folder), "cpu")


def test_code_that_comes_with_a_model_is_not_run(chat_model: Path, tmp_path: Path) -> None:
    import json

    folder = Path(shutil.copytree(chat_model, tmp_path / "copy"))
    trace = tmp_path / "was run"
    (folder / "own.py").write_text(f"from pathlib import Path\nPath({str(trace)!r}).touch()\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        TransformersModel(str(folder), "cpu")
    assert not trace.exists()


def test_a_model_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="someone/tiny-chat is not on this machine") as caught:
        load_language("transformers:someone/tiny-chat", "cpu")
    assert "dar models pull someone/tiny-chat" in caught.value.hint
    with pytest.raises(ModelUnavailable, match=r"holds no config\.json"):
        load_language(f"transformers:{tmp_path}", "cpu")


def test_a_gguf_file_that_is_not_here(chat_model: Path) -> None:
    with pytest.raises(ModelUnavailable, match="gguf"):
        load_language(f"transformers:{chat_model}#none.gguf", "cpu")


def test_rules_need_no_model() -> None:
    assert load_language() is None
    assert load_language("rules") is None


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "rule",
        "transformers:",
        "server:",
        "server:http://localhost",
        "server:#model",
        "server:localhost#model",
        "http://localhost#model",
        "transformers: ",
    ],
)
def test_specs_that_mean_nothing(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_language(spec)
    assert caught.value.hint

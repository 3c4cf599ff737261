"""Pulling from a hub on this machine: what is fetched, resumed, checked, refused and explained."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dar_tui.models import pulling
from dar_tui.models.hub_files import HubSource, is_here, is_partial, remove, size_on_disk, snapshot_of
from dar_tui.models.pulling import Pulled, PullProgress, pull
from indexer.errors import ModelUnavailable
from tests.models.hub import COMMIT, Hub

TINY = HubSource("someone/tiny-sd")
UNET = "unet/diffusion_pytorch_model.safetensors"


def quietly(source: HubSource) -> Pulled:
    return pull(source, lambda progress: None)


def refused(source: HubSource) -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as caught:
        quietly(source)
    assert "\n" not in caught.value.message and caught.value.hint
    return caught.value


def test_a_pull_fetches_what_a_pipeline_needs_and_nothing_else(hub: Hub, cache: Path) -> None:
    assert not is_here("diffusers:someone/tiny-sd")
    told: list[PullProgress] = []
    pulled = pull(TINY, told.append)
    wanted = hub.models["someone/tiny-sd"].keys() - {
        *("README.md", "tiny-sd.safetensors", "unet/diffusion_pytorch_model.bin")
    }
    there = {str(path.relative_to(pulled.folder)) for path in pulled.folder.rglob("*") if path.is_file()}
    assert there == wanted
    assert all((pulled.folder / name).read_bytes() == hub.models["someone/tiny-sd"][name] for name in wanted)
    assert is_here("diffusers:someone/tiny-sd") and snapshot_of(TINY) == pulled.folder
    assert pulled.folder.name == COMMIT
    assert pulled.size == pulled.loaded == sum(len(hub.models["someone/tiny-sd"][name]) for name in wanted)
    assert told[-1].done == told[-1].total == pulled.size
    assert [each.done for each in told] == sorted(each.done for each in told)


def test_the_hubs_own_client_finds_what_was_pulled_without_a_network(hub: Hub, cache: Path) -> None:
    from huggingface_hub import hf_hub_download

    quietly(TINY)
    before = len(hub.requests)
    found = hf_hub_download("someone/tiny-sd", UNET, local_files_only=True, cache_dir=cache)
    assert Path(found).read_bytes() == hub.models["someone/tiny-sd"][UNET]
    assert len(hub.requests) == before


def test_a_second_pull_fetches_nothing(hub: Hub, cache: Path) -> None:
    quietly(TINY)
    before = len(hub.loads(UNET))
    assert quietly(TINY).loaded == 0
    assert len(hub.loads(UNET)) == before


def test_an_interrupted_pull_resumes_where_it_stopped(hub: Hub, cache: Path) -> None:
    hub.cut[UNET] = 120_000
    error = refused(TINY)
    assert "failed" in error.message and "dar models pull someone/tiny-sd" in error.hint
    assert is_partial("someone/tiny-sd") and not is_here("diffusers:someone/tiny-sd")
    hub.cut.clear()
    hub.requests.clear()
    pulled = quietly(TINY)
    assert hub.loads(UNET) == ["bytes=120000-"]
    assert pulled.loaded == 300_000 - 120_000
    assert (pulled.folder / UNET).read_bytes() == hub.models["someone/tiny-sd"][UNET]
    assert not is_partial("someone/tiny-sd")


def test_a_pull_that_is_killed_leaves_what_it_has(hub: Hub, cache: Path) -> None:
    def stop(progress: PullProgress) -> None:
        if progress.file == UNET and progress.done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(TINY, stop)
    assert size_on_disk("someone/tiny-sd") > 0
    quietly(TINY)
    assert is_here("diffusers:someone/tiny-sd")


def test_a_file_that_came_damaged_is_refused_and_fetched_anew(hub: Hub, cache: Path) -> None:
    hub.damaged.add(UNET)
    error = refused(TINY)
    assert UNET in error.message and "damaged" in error.message and "pull" in error.hint
    assert not is_here("diffusers:someone/tiny-sd")
    hub.damaged.clear()
    assert quietly(TINY).loaded == 300_000


def test_a_small_file_that_came_damaged_is_refused(hub: Hub, cache: Path) -> None:
    hub.damaged.add("vae/config.json")
    assert "vae/config.json" in refused(TINY).message


def test_a_file_damaged_on_the_disk_is_found_by_pulling_again(hub: Hub, cache: Path) -> None:
    pulled = quietly(TINY)
    (pulled.folder / UNET).resolve().write_bytes(b"x" * 300_000)
    assert "damaged" in refused(TINY).message
    assert quietly(TINY).loaded == 300_000


def test_a_gated_model_says_where_to_accept_its_licence(hub: Hub, cache: Path) -> None:
    hub.gated.add("someone/tiny-sd")
    error = refused(TINY)
    assert "gated" in error.message
    assert "https://huggingface.co/someone/tiny-sd" in error.hint and "hf auth login" in error.hint


def test_a_login_that_has_not_accepted_the_licence_says_the_same(
    hub: Hub, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add("someone/tiny-sd")
    hub.token = "the-right-one"
    monkeypatch.setenv("HF_TOKEN", "another-one")
    assert "gated" in refused(TINY).message
    # The hub's own login is what counts, whether from its file or its variable.
    monkeypatch.setenv("HF_TOKEN", "the-right-one")
    assert quietly(TINY).loaded > 0


def test_a_model_that_does_not_exist(hub: Hub, cache: Path) -> None:
    error = refused(HubSource("nobody/nothing"))
    assert "no model nobody/nothing" in error.message


def test_a_pickle_is_taken_where_there_is_nothing_else_and_becomes_safetensors(hub: Hub, cache: Path) -> None:
    assert "cannot be read as weights" in refused(HubSource("someone/pickled")).message
    content = io.BytesIO()
    torch.save({"weight": torch.arange(1000.0)}, content)
    files = {"config.json": b"{}", "pytorch_model.bin": content.getvalue(), "tf_model.h5": b"of no use" * 200}
    hub.models["someone/old"] = files
    source = HubSource("someone/old")
    pulled = quietly(source)
    there = {path.name for path in pulled.folder.iterdir()}
    assert there == {"config.json", "pytorch_model.bin", "model.safetensors", "converted.json"}
    assert torch.equal(load_file(pulled.folder / "model.safetensors")["weight"], torch.arange(1000.0))
    assert is_here("transformers:someone/old")
    before = size_on_disk("someone/old")
    assert quietly(source).loaded == 0 and size_on_disk("someone/old") == before
    assert remove(source) == before


def test_a_disk_without_room_is_reported_before_anything_is_fetched(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6, 1000))
    error = refused(TINY)
    assert "GB more" in error.message and "HF_HUB_CACHE" in error.hint
    assert hub.loads(UNET) == []


def test_a_disk_that_fills_up_keeps_what_came(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, chunk: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(pulling._Counting, "write", full)
        error = refused(TINY)
    assert "full" in error.message and "again to continue" in error.hint
    assert quietly(TINY).loaded > 0


def test_no_hub_to_be_reached(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    # A port that nothing listens on.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "network" in refused(TINY).hint


def test_the_client_is_kept_in_again_after_a_pull(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    quietly(TINY)
    with pytest.raises(OfflineModeIsEnabled):
        HfApi().model_info("someone/tiny-sd")


@pytest.mark.slow
def test_two_pulls_of_one_model_do_not_get_in_each_others_way(hub: Hub, cache: Path) -> None:
    def meanwhile(progress: PullProgress) -> None:
        assert "Another dar" in refused(TINY).message

    pull(TINY, meanwhile)
    assert is_here("diffusers:someone/tiny-sd")


def test_removing_frees_the_room(hub: Hub, cache: Path) -> None:
    size = quietly(TINY).size
    assert remove(TINY) == size
    assert not is_here("diffusers:someone/tiny-sd") and size_on_disk("someone/tiny-sd") == 0
    with pytest.raises(ModelUnavailable, match="not on this machine"):
        remove(TINY)

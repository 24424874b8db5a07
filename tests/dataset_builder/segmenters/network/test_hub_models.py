"""Tiny random models of the real classes, loaded and run by the code that loads the published ones."""

import json
import shutil
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.inputs.build_inputs import check_inputs
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.choose import (
    ModelOptions,
    label_faults,
    make_segmenter,
    resolve_segmenter,
)
from chromiq.dataset_builder.segmenters.network.grounded_sam2 import load_grounded_sam2, phrase_columns
from chromiq.dataset_builder.segmenters.network.hub import HubModel, Runtime, weights_available
from chromiq.dataset_builder.segmenters.network.sam3 import load_sam3
from chromiq.dataset_builder.segmenters.network.segmenter import NetworkSegmenter
from chromiq.errors import AccessError, UnsoundError, UsageError
from chromiq.photos.images import write_photo
from chromiq.sample_catalogue.catalogue import draw_pair, write_catalogue

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    pytest.importorskip("transformers", reason="the model libraries are not installed")
    from tiny_hub_models import build_grounding_dino, build_sam2, build_sam2_video, build_sam3

    root = tmp_path_factory.mktemp("hub")
    image_model = build_sam2(root / "sam2-image")
    return {
        "dino": build_grounding_dino(root / "dino"),
        "sam2-image": image_model,
        "sam2": build_sam2_video(root / "sam2", image_model),
        "sam3": build_sam3(root / "sam3"),
    }


@pytest.fixture(scope="module")
def models(folders):
    return load_grounded_sam2(
        HubModel(str(folders["dino"])), HubModel(str(folders["sam2"])), Runtime.choose("cpu")
    )


@pytest.fixture(scope="module")
def drawn():
    return [draw_pair(index, size_wh=(96, 120)) for index in range(3)]


def tasks_of(pairs):
    return [SegmentationTask(pair.still_life, pair.on_model, pair.garment) for pair in pairs]


class TestGroundedSam2:
    def test_masks_have_the_photos_size_and_order_in_a_batch_and_alone(self, models, drawn):
        tasks = tasks_of(drawn)
        wide = SegmentationTask(drawn[0].still_life, np.rot90(drawn[0].on_model).copy(), "dress")
        found = NetworkSegmenter(models).segment([*tasks, wide])
        assert [item.mask.shape for item in found] == [(120, 96)] * 3 + [(96, 120)]
        for item, task in zip(found, [*tasks, wide], strict=True):
            alone = NetworkSegmenter(models).segment([task])[0]
            assert (item.mask != alone.mask).mean() < 0.01  # batched sums round otherwise
            assert item.confidence == pytest.approx(alone.confidence, abs=1e-3)

    def test_labels_come_from_the_vocabulary(self, models, drawn):
        pairs = [(pair.still_life, pair.on_model) for pair in drawn]
        labels = NetworkSegmenter(models, ("skirt", "gilet")).label(pairs)
        assert {label.name for label in labels} <= {"skirt", "gilet"}
        assert {label.source for label in labels} == {"grounding-dino"}
        assert all(0 <= label.score <= 1 for label in labels)

    def test_detections_are_inside_the_photo_with_a_score_per_phrase(self, models, drawn):
        photos = [pair.on_model for pair in drawn]
        found = models.detect(photos, [["shirt", "trousers", "zip-top"], ["dress"], ["skirt", "gilet"]])
        assert [item.data["scores"].shape[1] for item in found] == [3, 1, 2]
        for item in found:
            assert (item.xyxy >= 0).all()
            assert (item.xyxy <= [96, 120, 96, 120]).all()

    def test_phrases_keep_their_columns_apart(self, models):
        tokenizer = models.processor.tokenizer
        ids = tokenizer("shirt. skirt. dress.")["input_ids"]
        assert phrase_columns(ids, tokenizer, 3) == [[1], [3], [5]]
        with pytest.raises(UsageError, match="makes 3 phrases of 2 garment words"):
            phrase_columns(ids, tokenizer, 2)

    def test_a_long_vocabulary_takes_several_passes(self, models, drawn):
        words = [f"{first}{second}" for first in "abcdef" for second in "abcdef"]
        photo = drawn[0].on_model
        (found,) = models.detect([photo], [words])
        (first,) = models.detect([photo], [words[:18]])
        boxes = len(first.xyxy)
        assert found.data["scores"].shape == (2 * boxes, 36)
        np.testing.assert_allclose(found.xyxy[:boxes], first.xyxy, atol=1e-3)
        np.testing.assert_allclose(found.data["scores"][:boxes, :18], first.data["scores"], atol=1e-5)
        assert not found.data["scores"][:boxes, 18:].any()

    def test_one_name_longer_than_the_detector_takes_is_refused(self, models, drawn):
        with pytest.raises(UsageError, match=r"garment 'a+' is \d+ tokens long, and the detector takes 63"):
            models.detect([drawn[0].on_model], [["a" * 70]])

    def test_words_that_the_detector_does_not_know_are_refused_by_name(self, models, drawn):
        with pytest.raises(UsageError, match="does not know: '夹克'"):
            models.detect([drawn[0].on_model], [["shirt", "夹克 dress"]])

    def test_half_precision_by_autocast_gives_nearly_the_same(self, folders, models, drawn):
        runtime = Runtime.choose("cpu", "bfloat16")
        half = load_grounded_sam2(HubModel(str(folders["dino"])), HubModel(str(folders["sam2"])), runtime)
        photo, box = drawn[0].on_model, np.array([[20, 20, 80, 90]], np.float32)
        (exact, _), (rough, _) = (item.masks([photo], [box])[0] for item in (models, half))
        assert exact.dtype == rough.dtype == np.float32
        assert not np.array_equal(exact, rough)
        assert np.abs(exact - rough).mean() < 0.1 * np.abs(exact).mean()


class TestSam3:
    @pytest.fixture
    def segmenter(self, folders):
        model = load_sam3(HubModel(str(folders["sam3"])), Runtime.choose("cpu"))
        return NetworkSegmenter(model, ("shirt", "skirt"))

    def test_words_in_masks_out_in_a_batch_and_alone(self, segmenter, drawn):
        wide = SegmentationTask(drawn[0].still_life, np.rot90(drawn[0].on_model).copy(), "dress")
        tasks = [*tasks_of(drawn), wide]
        found = segmenter.segment(tasks)
        assert [item.mask.shape for item in found] == [(120, 96)] * 3 + [(96, 120)]
        assert {item.source for item in found} == {"sam3"}
        for item, task in zip(found, tasks, strict=True):
            (alone,) = segmenter.segment([task])
            assert (item.mask != alone.mask).mean() < 0.01  # batched sums round otherwise
            assert item.confidence == pytest.approx(alone.confidence, abs=1e-3)

    def test_labels_come_from_the_vocabulary(self, segmenter, drawn):
        label = segmenter.label([(drawn[0].still_life, drawn[0].on_model)])[0]
        assert label.name in {"shirt", "skirt"}
        assert label.source == "sam3"


def test_a_build_uses_the_models_asked_for(folders, tmp_path):
    """Random weights find nonsense; here counts whose word and mask it is."""
    write_catalogue(tmp_path / "in", pairs=1, size_wh=(96, 120))
    models = ModelOptions(("skirt", "gilet"), str(folders["dino"]), str(folders["sam2"]), "cpu")
    options = BuildOptions(segmenter="auto", models=models)
    summary = build(tmp_path / "in", tmp_path / "out", options, keep_doubtful=True)
    assert (summary.examples, summary.segmenter) == (1, "grounded-sam2")
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text()
    assert '"source": "grounding-dino"' in manifest
    again = build(tmp_path / "in", tmp_path / "out", options, keep_doubtful=True)
    assert again.resumed == 1
    with pytest.raises(UsageError, match="a dataset built with other options"):
        build(tmp_path / "in", tmp_path / "out", BuildOptions(segmenter="classic"))


class TestNothingSeen:
    """SAM 3's random weights are sure of nothing: every score is below the threshold."""

    @pytest.fixture
    def build_it(self, chromiq, folders, tmp_path):
        write_catalogue(tmp_path / "in", pairs=2, size_wh=(96, 120))

        def run(*more):
            segmenter = ("--segmenter", "sam3", "--masker", folders["sam3"], "--device", "cpu")
            return chromiq(
                "build", tmp_path / "in", "--out", tmp_path / "out", *segmenter, "--workers", "1", *more
            )

        return run

    def test_nothing_is_trained_on_it_unless_it_is_kept_with_its_reason(self, build_it, tmp_path):
        result = build_it()
        assert result.code == 10
        assert result.err.count("the detector did not see such a garment on the photo") == 2
        assert len(list((tmp_path / "out" / "review").glob("on_model*.png"))) == 2
        assert not (tmp_path / "out" / "manifest.jsonl").exists()

        assert build_it("--keep-doubtful").code == 0
        for example in read_examples(tmp_path / "out"):
            assert {"nothing_seen", "nothing_named"} <= set(example["mask_reasons"])
            assert example["mask_confidence"] < 0.5
            assert example["label"]["score"] == 0
        assert len(list((tmp_path / "out" / "review").glob("on_model*.png"))) == 2

    def test_a_guessed_name_is_a_doubt_though_the_mask_is_given(self, build_it, tmp_path):
        draw_mask(tmp_path / "masks" / "on_model1.png")
        result = build_it("--masks", tmp_path / "masks")
        assert result.code == 3  # the other pair is left out
        assert "its name is a guess" in result.err
        (example,) = read_examples(tmp_path / "out")
        assert example["mask_reasons"] == ["nothing_named"]


def read_examples(dataset):
    return [json.loads(line) for line in (dataset / "manifest.jsonl").read_text().splitlines()]


def draw_mask(path):
    mask = np.zeros((120, 96, 3), np.uint8)
    mask[40:80, 30:60] = 255
    write_photo(path, mask)


class TestLabelsBeforeTheWork:
    """What the detector cannot be asked for is found before a photo is looked at."""

    @pytest.fixture
    def pairs(self, tmp_path):
        write_catalogue(tmp_path / "in", pairs=3, size_wh=(96, 120))
        (tmp_path / "in" / "garments.json").unlink(missing_ok=True)
        return tmp_path / "in"

    @pytest.fixture
    def options(self, folders):
        models = ModelOptions(
            detector=str(folders["dino"]), masker=str(folders["sam2"]), device="cpu", vocabulary=("shirt",)
        )
        return BuildOptions(segmenter="grounded-sam2", models=models)

    def labels(self, tmp_path, *words):
        names = {f"still-life{number}.jpg": word for number, word in enumerate(words, start=1)}
        (tmp_path / "garments.json").write_text(json.dumps(names))
        return tmp_path / "garments.json"

    def test_all_are_found_at_once_and_nothing_is_written(self, pairs, options, tmp_path):
        garments = self.labels(tmp_path, "夹克", "shirt", "a" * 70)
        with pytest.raises(UnsoundError) as caught:
            build(pairs, tmp_path / "out", options, garments=garments)
        messages = [finding.message for finding in caught.value.findings]
        assert [message.split(" ", 3)[2] for message in messages] == ["'夹克'", repr("a" * 70)]
        assert "does not know: '夹克'" in messages[0]
        assert "tokens long" in messages[1]
        assert not (tmp_path / "out").exists()

    def test_a_pair_whose_mask_is_given_may_be_called_anything(self, pairs, options, tmp_path):
        draw_mask(tmp_path / "masks" / "on_model1.png")
        inputs = check_inputs(
            pairs, options, garments=self.labels(tmp_path, "夹克", "shirt", "dress"), masks=tmp_path / "masks"
        )
        assert [pair.garment for pair in inputs.pairs] == ["夹克", "shirt", "dress"]

    def test_such_pairs_can_be_skipped(self, pairs, options, tmp_path):
        garments = self.labels(tmp_path, "N.Y. jacket?", "夹克")
        inputs = check_inputs(pairs, options, garments=garments, skip_bad=True)
        assert [pair.key for pair in inputs.pairs] == ["1", "3"]
        assert [finding.code for finding in inputs.findings] == ["garments.unknown_word"]

    def test_a_word_written_into_the_dataset_is_checked_too(self, pairs, options, tmp_path):
        summary = build(
            pairs,
            tmp_path / "out",
            options,
            garments=self.labels(tmp_path, *["shirt"] * 3),
            keep_doubtful=True,
        )
        assert summary.examples == 3
        garments = tmp_path / "out" / "garments.json"
        garments.write_text(json.dumps(json.loads(garments.read_text()) | {"still-life2.jpg": "夹克"}))
        with pytest.raises(UnsoundError) as caught:
            build(pairs, tmp_path / "out", options, keep_doubtful=True)
        (finding,) = caught.value.findings
        assert finding.where.endswith("still-life2.jpg")
        assert "does not know: '夹克'" in finding.message

    def test_a_vocabulary_is_checked_when_a_pair_has_no_label(self, pairs, options, tmp_path):
        options = replace(options, models=replace(options.models, vocabulary=("shirt", "夹克", "裤子")))
        garments = self.labels(tmp_path, "shirt", "shirt")
        with pytest.raises(UnsoundError) as caught:
            check_inputs(pairs, options, garments=garments)
        assert [finding.code for finding in caught.value.findings] == ["garments.vocabulary"] * 2
        assert check_inputs(pairs, options, garments=self.labels(tmp_path, *["shirt"] * 3)).pairs

    def test_sam_3_takes_no_label_that_its_tokenizer_would_cut_off(self, folders):
        models = ModelOptions(masker=str(folders["sam3"]))
        (fault,) = label_faults("sam3", ["shirt", "a" * 40], models).values()
        assert fault == "is 42 tokens long, and the detector takes 32"


class TestAccess:
    def test_auto_is_classic_until_the_weights_are_here(self, folders, tmp_path):
        here = ModelOptions(detector=str(folders["dino"]), masker=str(folders["sam2"]))
        assert resolve_segmenter("auto", here) == "grounded-sam2"
        there = ModelOptions(detector=str(folders["dino"]), masker=str(tmp_path))
        assert resolve_segmenter("auto", there) == "classic"

    def test_auto_refuses_what_is_no_device(self, tmp_path):
        for device in ("cuda", "cuda:99"):  # not here, and not needed
            assert resolve_segmenter("auto", ModelOptions(masker=str(tmp_path), device=device)) == "classic"
        with pytest.raises(UsageError, match="`device`: torch knows no device 'cdua'"):
            resolve_segmenter("auto", ModelOptions(masker=str(tmp_path), device="cdua"))

    def test_options_that_do_not_fit_are_refused(self):
        with pytest.raises(UsageError, match="takes no `vocabulary`"):
            resolve_segmenter("classic", ModelOptions(device="cuda"))
        with pytest.raises(UsageError, match="give a masker alone"):
            resolve_segmenter("sam3", ModelOptions(detector="x/y"))
        with pytest.raises(UsageError, match="`device`: torch cannot use 'nonsense' here"):
            Runtime.choose("nonsense")
        with pytest.raises(UsageError, match="dtype float8 is unknown"):
            Runtime.choose("cpu", "float8")

    def test_pickles_are_refused(self, folders, tmp_path):
        import torch

        folder = shutil.copytree(folders["sam2"], tmp_path / "pickled")
        (folder / "model.safetensors").unlink()
        torch.save({}, folder / "pytorch_model.bin")
        models = ModelOptions(detector=str(folders["dino"]), masker=str(folder), device="cpu")
        with pytest.raises(AccessError, match=r"pytorch_model\.bin are pickles"):
            make_segmenter("grounded-sam2", models)

    def test_weights_of_another_model_are_refused(self, folders):
        models = ModelOptions(detector=str(folders["dino"]), masker=str(folders["sam3"]), device="cpu")
        with pytest.raises(AccessError, match="not of a Sam2Model"):
            make_segmenter("grounded-sam2", models)

    def test_weights_that_lack_a_part_are_refused(self, folders, tmp_path):
        from safetensors.torch import load_file, save_file

        folder = shutil.copytree(folders["sam2-image"], tmp_path / "part")
        weights = load_file(folder / "model.safetensors")
        del weights["mask_decoder.iou_token.weight"]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        models = ModelOptions(detector=str(folders["dino"]), masker=str(folder), device="cpu")
        with pytest.raises(
            AccessError, match=r"1 of its tensors are missing, such as mask_decoder\.iou_token\.weight"
        ):
            make_segmenter("grounded-sam2", models)

    def test_the_offline_cache_is_enough_and_no_network_is_asked(self, folders, tmp_path, monkeypatch):
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        for name, folder in (("org/dino", folders["dino"]), ("org/sam", folders["sam2"])):
            repository = tmp_path / f"models--{name.replace('/', '--')}"
            shutil.copytree(folder, repository / "snapshots" / "abc")
            (repository / "refs").mkdir()
            (repository / "refs" / "v1").write_text("abc")
        assert weights_available(HubModel("org/dino", "v1"), HubModel.parse("org/sam@v1"))
        segmenter = make_segmenter("auto", ModelOptions(("dress",), "org/dino@v1", "org/sam@v1", "cpu"))
        assert segmenter.name == "grounded-sam2"
        models = ModelOptions(detector="org/dino@v2", masker="org/sam@v1")
        with pytest.raises(
            AccessError, match=r"HF_HUB_OFFLINE is set; fetch them .*huggingface\.co/org/dino"
        ):
            make_segmenter("grounded-sam2", models)
        assert resolve_segmenter("auto", models) == "classic"


@pytest.fixture
def hub(monkeypatch):
    """A server on the loopback that stands for the hub and bars everything as a gated model is."""

    class Gated(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()

        def log_message(self, *arguments):
            del arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gated)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_gated_model_ends_a_build_with_12(hub, monkeypatch, chromiq, tmp_path):
    import huggingface_hub.hf_api
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub)
    write_catalogue(tmp_path / "in", pairs=1, size_wh=(96, 120))
    result = chromiq("build", tmp_path / "in", "--out", tmp_path / "out", "--segmenter", "sam3")
    assert result.code == 12
    assert "visit https://huggingface.co/facebook/sam3, accept it" in result.err
    assert not (tmp_path / "out").exists()

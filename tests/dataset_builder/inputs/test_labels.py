"""Labels: the user's word wins, files are read whole or refused with all that is wrong."""

import json
import shutil
import unicodedata
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from file_digests import digests
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.inputs import labels as labels_module
from chromiq.dataset_builder.inputs.build_inputs import BuildInputs, with_recalled
from chromiq.dataset_builder.inputs.labels import (
    decide_label,
    given_label,
    parse_vocabulary,
    read_garments,
    recall_given,
    write_own_garments,
)
from chromiq.dataset_builder.inputs.selection import write_selection
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_layout import read_examples
from chromiq.errors import UnsoundError, UsageError
from chromiq.files import write_json
from chromiq.records import PhotoPair
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq_cli.verbs import app

WORDS = ("shirt", "trousers", "jacket", "pants")
OPTIONS = BuildOptions(segmenter="classic", size_wh=(192, 128))


def decide(still_life, on_model, words=WORDS):
    return decide_label(words, np.array(still_life), np.array(on_model), "grounding-dino")


class TestDecideLabel:
    def test_the_best_word_over_both_photos_wins(self):
        label = decide([0.3, 0.1, 0.8, 0.1], [0.2, 0.1, 0.7, 0.1])
        assert (label.name, label.source, label.runner_up) == ("jacket", "grounding-dino", None)
        assert label.score == pytest.approx((0.8 + 0.5 * 0.7) / 1.5, abs=1e-4)

    def test_synonyms_fold_into_the_one_named_first(self):
        assert decide([0.4, 0.1, 0.1, 0.7], [0.1] * 4).name == "trousers"
        assert decide([0.4, 0.7], [0.1, 0.1], ("shirt", "Pants")).name == "Pants"
        assert decide([0.6, 0.7, 0.5], [0, 0, 0], ("waistcoat", "gilet", "vest")).name == "waistcoat"

    def test_synonyms_are_no_close_seconds_of_each_other(self):
        assert decide([0.1, 0.7, 0.1, 0.7], [0.1, 0.7, 0.1, 0.7]).runner_up is None

    def test_the_on_model_photo_overrules_a_close_call_and_the_second_is_recorded(self):
        label = decide([0.50, 0, 0.52, 0], [0.6, 0, 0.5, 0])
        assert (label.name, label.runner_up) == ("shirt", "jacket")

    def test_a_word_that_no_photo_has_a_detection_of_is_a_guess(self):
        assert decide([0.29, 0.1, 0, 0], [0.29, 0.1, 0, 0]).score == 0
        assert decide([0.29, 0.1, 0, 0], [0.31, 0.1, 0, 0]).score > 0

    def test_other_clothes_on_the_model_do_not_overrule(self):
        assert decide([0.5, 0.05, 0.2, 0.05], [0.4, 0.9, 0.2, 0.9]).name == "shirt"

    @given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.permutations(range(4)))
    def test_the_order_of_the_vocabulary_changes_the_spelling_at_most(self, scores, order):
        label = decide(scores, scores)
        mixed = decide([scores[i] for i in order], [scores[i] for i in order], [WORDS[i] for i in order])
        assert mixed.score == label.score
        assert 0 <= label.score <= 1


def test_the_users_word_wins():
    pair = PhotoPair("1", Path("still-life1.jpg"), Path("on_model1.jpg"))
    assert given_label(pair) is None
    label = given_label(PhotoPair("1", pair.still_life, pair.on_model, "chinos"))
    assert (label.name, label.source, label.score) == ("chinos", "given", 1)


def test_the_users_word_goes_into_captions_and_garments_json(tmp_path):
    write_catalogue(tmp_path / "in", pairs=2, size_wh=(96, 120))
    write_json(tmp_path / "mine.json", {"still-life1.jpg": "veste d'été"})
    options = BuildOptions(segmenter="classic", size_wh=(192, 128))
    build(tmp_path / "in", tmp_path / "out", options, garments=tmp_path / "mine.json", keep_doubtful=True)
    assert "the veste d'été color" in (tmp_path / "out" / "gt" / "pair1.txt").read_text(encoding="utf-8")
    written = read_garments(tmp_path / "out" / "garments.json")
    assert written == {"still-life1.jpg": "veste d'été", "still-life2.jpg": "T-shirt"}


@pytest.mark.parametrize("text", ["", "shirt,,dress", "shirt, Shirt", "a.b", "two\nlines"])
def test_a_vocabulary_that_is_no_list_of_words_is_refused(text):
    with pytest.raises(UsageError, match="is not a list of different words"):
        parse_vocabulary(text)


@pytest.fixture(scope="module")
def built(catalogue, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "dataset"
    build_labelled(catalogue, folder)
    return folder


@pytest.fixture
def dataset(built, tmp_path):
    """A copy of the dataset, to change."""
    return shutil.copytree(built, tmp_path / "dataset")


def die(*arguments):
    raise KeyboardInterrupt


def build_labelled(catalogue, folder, **more):
    return build(catalogue, folder, OPTIONS, masks=catalogue / "truth" / "garment_masks", **more)


def edit(dataset, **words):
    entries = read_garments(dataset / "garments.json")
    entries.update({f"still-life{key[1:]}.jpg": word for key, word in words.items()})
    write_json(dataset / "garments.json", {name: word for name, word in entries.items() if word})


def captions(dataset):
    return {path.stem: path.read_text() for path in sorted((dataset / "gt").glob("*.txt"))}


def labels(dataset):
    lines = (dataset / "manifest.jsonl").read_text().splitlines()
    return {item["key"]: (item["label"]["name"], item["label"]["source"]) for item in map(json.loads, lines)}


def test_an_entry_changed_by_hand_is_used_and_only_its_pair_is_made_again(catalogue, dataset):
    before = read_garments(dataset / "garments.json")
    edit(dataset, n2="blouse")
    assert build_labelled(catalogue, dataset).resumed == 2
    assert read_garments(dataset / "garments.json") == {**before, "still-life2.jpg": "blouse"}
    assert labels(dataset)["2"] == ("blouse", "given")
    assert labels(dataset)["1"][1] == "silhouette"
    assert "the blouse color" in captions(dataset)["pair2"]


def test_it_stays_until_it_is_removed(catalogue, dataset):
    untouched = digests(dataset)
    edit(dataset, n2="blouse")
    build_labelled(catalogue, dataset)
    edited = digests(dataset)
    assert build_labelled(catalogue, dataset).resumed == 3
    assert digests(dataset) == edited
    edit(dataset, n2=None)
    assert build_labelled(catalogue, dataset).resumed == 2
    assert digests(dataset) == untouched


def test_garments_given_with_the_command_win_over_it_and_say_so(catalogue, dataset, tmp_path):
    edit(dataset, n2="blouse", n3="chinos")
    write_json(tmp_path / "mine.json", {"still-life2.jpg": "tunic"})
    summary = build_labelled(catalogue, dataset, garments=tmp_path / "mine.json")
    (finding,) = summary.findings
    assert (finding.code, finding.severity) == ("garments.overruled", "warning")
    assert finding.got == "blouse"
    assert finding.wanted == "tunic"
    assert labels(dataset)["2"] == ("tunic", "given")
    assert labels(dataset)["3"] == ("chinos", "given")
    whole = digests(dataset)
    assert build_labelled(catalogue, dataset, garments=tmp_path / "mine.json").resumed == 3
    assert digests(dataset) == whole


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_an_entry_matches_in_both_unicode_forms(on_disk, typed, tmp_path):
    photo, entry, composed = (unicodedata.normalize(form, "\u00e9.jpg") for form in (on_disk, typed, "NFC"))
    pair = PhotoPair("1", Path(photo), Path("worn.jpg"))
    write_own_garments(tmp_path, {photo: "shirt"}, {})
    write_json(tmp_path / "garments.json", {entry: "shirt"})
    assert recall_given(tmp_path) == {}
    write_json(tmp_path / "garments.json", {entry: "coat"})
    given = recall_given(tmp_path)
    inputs = BuildInputs((pair,), {}, (), (pair,))
    inputs = with_recalled(inputs, given, tmp_path, BuildOptions(segmenter="classic"))
    assert (inputs.pairs[0].garment, inputs.findings) == ("coat", ())
    write_own_garments(tmp_path, {photo: "coat"}, given)
    assert json.loads((tmp_path / "garments.json").read_text()) == {photo: "coat"}
    assert recall_given(tmp_path) == given == {composed: "coat"}


def test_a_byte_order_mark_loses_no_edit(tmp_path):
    write_own_garments(tmp_path, {"a.jpg": "shirt"}, {})
    memory = tmp_path / ".chromiq" / "garments.json"
    memory.write_text(memory.read_text(), encoding="utf-8-sig")
    assert recall_given(tmp_path) == {}


def test_what_is_edited_while_a_build_runs_is_for_the_next_one(tmp_path):
    write_own_garments(tmp_path, {"a.jpg": "shirt", "b.jpg": "jacket"}, {})
    given = recall_given(tmp_path)
    write_json(tmp_path / "garments.json", {"a.jpg": "shirt", "b.jpg": "coat"})
    write_own_garments(tmp_path, {"a.jpg": "shirt", "b.jpg": "jacket"}, given)
    assert json.loads((tmp_path / "garments.json").read_text()) == {"a.jpg": "shirt", "b.jpg": "coat"}
    assert recall_given(tmp_path) == {"b.jpg": "coat"}


@pytest.mark.parametrize("written", range(3))
def test_killed_while_the_file_is_written_nothing_is_misread(tmp_path, monkeypatch, written):
    write_own_garments(tmp_path, {"a.jpg": "shirt", "b.jpg": "jacket"}, {})
    write_json(tmp_path / "garments.json", {"a.jpg": "shirt", "b.jpg": "coat"})
    given = recall_given(tmp_path)
    assert given == {"b.jpg": "coat"}
    with monkeypatch.context() as patch:
        steps = [write_json] * written + [die]
        patch.setattr(labels_module, "write_json", lambda *file: steps.pop(0)(*file))
        with pytest.raises(KeyboardInterrupt) if written < 2 else nullcontext():
            write_own_garments(tmp_path, {"a.jpg": "tunic", "b.jpg": "coat"}, given)
    assert recall_given(tmp_path) == given


def test_a_build_killed_before_it_writes_the_file_misreads_nothing(catalogue, dataset, tmp_path, monkeypatch):
    untouched = digests(dataset)
    write_json(tmp_path / "mine.json", {"still-life1.jpg": "tunic"})

    with monkeypatch.context() as patch:
        patch.setattr("chromiq.dataset_builder.build._finish", die)
        with pytest.raises(KeyboardInterrupt):
            build_labelled(catalogue, dataset, garments=tmp_path / "mine.json")
    build_labelled(catalogue, dataset)
    assert digests(dataset) == untouched


def test_an_entry_for_a_garment_that_is_not_here_is_kept_and_reported(catalogue, dataset):
    edit(dataset, n9="kilt")
    for _ in range(2):
        (finding,) = build_labelled(catalogue, dataset).findings
        assert finding.code == "inputs.unused"
        assert "still-life9.jpg" in finding.message
    assert read_garments(dataset / "garments.json")["still-life9.jpg"] == "kilt"


def test_a_file_that_cannot_be_read_stops_the_build(catalogue, dataset):
    (dataset / "garments.json").write_text('{"still-life1.jpg": ""}')
    before = digests(dataset)
    with pytest.raises(UnsoundError) as error:
        build_labelled(catalogue, dataset)
    assert [finding.code for finding in error.value.findings] == ["garments.label"]
    assert digests(dataset) == before


def test_the_command_line_reads_it_too(catalogue, dataset):
    edit(dataset, n1="smock")
    masks = catalogue / "truth" / "garment_masks"
    command = ["build", catalogue, "--out", dataset, "--masks", masks, "--segmenter", "classic"]
    result = CliRunner().invoke(app, [*map(str, command), "--size", "192x128", "--workers", "1", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["resumed_pairs"]) == (0, 2)
    assert labels(dataset)["1"] == ("smock", "given")


def test_every_wrong_entry_is_named(tmp_path):
    path = tmp_path / "garments.json"
    path.write_text(json.dumps({"a.jpg": "", "b.jpg": 3, "c.jpg": "two\nlines", "d.jpg": "shirt"}))
    with pytest.raises(UnsoundError) as caught:
        read_garments(path)
    assert len(caught.value.findings) == 3
    for text in ("[1]", "not json"):
        path.write_text(text)
        with pytest.raises(UnsoundError):
            read_garments(path)


@pytest.fixture(scope="module")
def skus(tmp_path_factory):
    """The photos of two SKUs, and masks of both."""
    folder = tmp_path_factory.mktemp("skus")
    write_catalogue(folder / "drawn", pairs=2, size_wh=(112, 140))
    for key in ("1", "2"):
        (folder / f"A-{key}").mkdir()
        shutil.copy(folder / "drawn" / f"still-life{key}.jpg", folder / f"A-{key}" / "flat.jpg")
        shutil.copy(folder / "drawn" / f"on_model{key}.jpg", folder / f"A-{key}" / "front.jpg")
    shutil.move(folder / "drawn" / "truth" / "garment_masks", folder / "masks")
    return folder


class TestStillLifesOfOneName:
    """Photos named alike in a folder for each garment."""

    NAMES = ("A-1/flat.jpg", "A-2/flat.jpg")

    @pytest.fixture
    def photos(self, skus, tmp_path):
        return shutil.copytree(skus, tmp_path / "photos")

    def build(self, photos, *keys, labels=None, **more):
        """Build the pairs of some SKUs, with labels given to the command if there are any."""
        rows = "".join(f"{key},A-{key}/flat.jpg,A-{key}/front.jpg\n" for key in keys)
        (photos / "list.csv").write_text(f"key,still_life,on_model\n{rows}")
        if labels:
            write_json(photos / "mine.json", labels)
            more["garments"] = photos / "mine.json"
        options = BuildOptions(segmenter="classic", size_wh=(128, 80))
        out = photos.parent / "out"
        summary = build(photos / "list.csv", out, options, masks=photos / "masks", **more)
        return summary, {example.key: example.label.name for example in read_examples(out)}

    def file(self, photos):
        return photos.parent / "out" / "garments.json"

    def test_each_keeps_a_label_of_its_own(self, photos):
        given = dict(zip(self.NAMES, ("coat", "tunic"), strict=True))
        assert self.build(photos, 1, 2, labels=given)[1] == {"1": "coat", "2": "tunic"}
        assert read_garments(self.file(photos)) == given
        write_json(self.file(photos), {**given, "A-2/flat.jpg": "gown"})
        words = self.build(photos, 1, 2)[1]
        assert words["2"] == "gown" != words["1"]

    def test_an_excluded_one_changes_no_names(self, photos):
        self.build(photos, 1, 2)
        write_selection(photos.parent / "out", {"2": "exclude"})
        self.build(photos, 1, 2)
        assert set(read_garments(self.file(photos))) == {"A-1/flat.jpg"}
        write_json(self.file(photos), {"A-1/flat.jpg": "gown"})
        summary, words = self.build(photos, 1, 2)
        assert (words, summary.findings) == ({"1": "gown"}, ())

    def test_a_damaged_one_loses_no_label(self, photos):
        self.build(photos, 1, 2)
        edited = dict(zip(self.NAMES, ("gown", "tunic"), strict=True))
        write_json(self.file(photos), edited)
        photo = photos / "A-2" / "front.jpg"
        sound = photo.read_bytes()
        photo.write_bytes(sound[:900])
        assert self.build(photos, 1, 2, skip_bad=True)[1] == {"1": "gown"}
        assert read_garments(self.file(photos)) == edited
        photo.write_bytes(sound)
        assert self.build(photos, 1, 2)[1] == {"1": "gown", "2": "tunic"}

    def test_an_edited_entry_that_a_second_one_fits_as_well_is_a_fault(self, photos):
        self.build(photos, 1)
        write_json(self.file(photos), {"flat.jpg": "gown"})
        assert self.build(photos, 1)[1] == {"1": "gown"}
        with pytest.raises(UnsoundError) as caught:
            self.build(photos, 1, 2)
        (fault,) = caught.value.findings
        assert (fault.code, fault.where) == ("garments.several", f"{self.file(photos)}: flat.jpg")
        assert "2 still-lifes, such as A-1/flat.jpg and A-2/flat.jpg" in fault.message
        assert "A-1/flat.jpg" in fault.hint
        write_json(self.file(photos), {"A-1/flat.jpg": "gown"})
        assert self.build(photos, 1, 2)[1]["1"] == "gown"
        assert set(read_garments(self.file(photos))) == set(self.NAMES)

    def test_labels_of_a_whole_catalogue_fit_a_list_of_one(self, photos):
        given = dict(zip(self.NAMES, ("coat", "tunic"), strict=True))
        summary, words = self.build(photos, 2, labels=given)
        assert words == {"2": "tunic"}
        (unused,) = (each for each in summary.findings if each.where == str(photos / "mine.json"))
        assert (unused.code, unused.message) == ("inputs.unused", "1 entry matches no pair: A-1/flat.jpg")

    def test_a_label_given_for_several_is_a_fault(self, photos):
        with pytest.raises(UnsoundError) as caught:
            self.build(photos, 1, 2, labels={"flat.jpg": "coat"})
        assert [each.code for each in caught.value.findings] == ["garments.several"]
        given = {"flat.jpg": "coat", "A-1/flat.jpg": "gown"}
        assert self.build(photos, 1, 2, labels=given)[1] == {"1": "gown", "2": "coat"}

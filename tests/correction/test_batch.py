"""A folder corrected: resumed, decided upon, and never at the cost of what somebody did by hand."""

import csv
import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from chromiq.colour import delta_e_map
from chromiq.correction import garment_work, results
from chromiq.correction.batch import BatchInputs, _relative_output, check_batch, correct_batch
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.report import WORK, result_words, summary_line
from chromiq.dataset_builder.inputs.photo_names import PairPattern
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.errors import UnsoundError, UsageError, errors_of
from chromiq.photos.images import write_mask, write_photo
from chromiq.records import PhotoPair
from chromiq_cli.verbs import app

SEGMENTER = ClassicSegmenter()


class Unused(ClassicSegmenter):
    """Stands for a segmenter that must not be asked."""

    def segment(self, tasks):
        raise AssertionError("a finished photo was corrected again")


@pytest.fixture
def batch(catalogue):
    """Corrects the two pairs by their masks; gives what became of each by key."""

    def run(options=None, segmenter=SEGMENTER, **inputs):
        inputs = {"masks": catalogue / "masks", **inputs}
        given = BatchInputs(catalogue / "pairs", **inputs)
        result = correct_batch(given, catalogue / "out", segmenter, options)
        return {done.key: done for done in result.corrections}

    return run


def pixels(path):
    return np.array(Image.open(path).convert("RGB"))


def decide(folder, **rows):
    """Write decisions.csv as a European spreadsheet would."""
    names = ["key", "decision", "strength", "target_lab", "mask", "note"]
    lines = [";".join(names)]
    for key, row in rows.items():
        lines.append(";".join([key.removeprefix("k"), *(row.get(name, "") for name in names[1:])]))
    (folder / "decisions.csv").write_text("\n".join(lines) + "\n", encoding="cp1252")


def decisions(folder):
    text = (folder / "decisions.csv").read_text(encoding="utf-8-sig")
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in text else ",")
    return {row["key"]: row for row in rows}


def test_it_corrects_what_is_off_and_leaves_what_is_right(batch, catalogue):
    done, out = batch(), catalogue / "out"
    assert (done["1"].applied, done["2"].applied) == (True, False)
    assert done["2"].reason.startswith("left alone")
    assert (out / "on_model2.png").read_bytes() == (catalogue / "pairs" / "on_model2.png").read_bytes()
    mask = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127
    truth, off, after = (pixels(catalogue / name / "on_model1.png") for name in ("truth", "pairs", "out"))
    np.testing.assert_array_equal(after[~mask], off[~mask])
    assert delta_e_map(truth, after)[mask].mean() < 0.5 * delta_e_map(truth, off)[mask].mean()


def test_it_resumes_and_redoes_only_what_changed(batch, catalogue):
    out = catalogue / "out"
    before = batch()
    kept = (out / "on_model1.png").read_bytes()
    assert batch(segmenter=Unused()) == before
    (out / "on_model1.png").write_bytes(b"cut short")
    batch()
    assert (out / "on_model1.png").read_bytes() == kept
    batch(CorrectionOptions(strength=0.5))
    assert (out / "on_model1.png").read_bytes() != kept


def test_exports_of_a_photo_that_is_kept_go_unless_somebody_edited_them(batch, catalogue):
    out = catalogue / "out"
    cube, layers = out / "on_model1.cube", out / "on_model1.layers.tif"
    batch(CorrectionOptions(exports=("cube", "layers")))
    batch()
    assert cube.is_file()  # still of the photo beside it
    assert layers.is_file()
    layers.write_bytes(b"edited")
    os.utime(layers, (0, 0))  # as an archive restores it
    os.utime(cube, (4e9, 4e9))  # a copy
    decide(out, k1={"decision": "keep"})
    assert batch()["1"].exports == ()
    assert [path.is_file() for path in (cube, layers)] == [False, True]


def test_an_edited_export_stays_when_its_photo_is_corrected_again_unless_that_is_asked_for(batch, catalogue):
    cube = catalogue / "out" / "on_model1.cube"
    batch(CorrectionOptions(exports=("cube",)))
    first = cube.read_bytes()
    cube.write_bytes(b"edited")
    weaker = CorrectionOptions(exports=("cube", "layers"), strength=0.5)
    done = batch(weaker)["1"]
    assert cube.read_bytes() == b"edited"
    assert done.exports == (str(cube.with_name("on_model1.layers.tif")),)
    assert done.reason.endswith(
        "; on_model1.cube is not replaced, because it was changed by hand; the option redo 1 replaces it"
    )
    done = batch(weaker, redo=("1",))["1"]
    assert cube.read_bytes() not in (b"edited", first)
    assert (len(done.exports), "not replaced" in done.reason) == (2, False)


def test_an_export_does_not_replace_a_file_of_the_user_s(batch, catalogue):
    cube = catalogue / "out" / "on_model1.cube"
    cube.parent.mkdir()
    cube.write_bytes(b"mine")
    assert "on_model1.cube is not replaced" in batch(CorrectionOptions(exports=("cube",)))["1"].reason
    assert cube.read_bytes() == b"mine"
    cube.unlink()
    assert batch(CorrectionOptions(exports=("cube",)))["1"].exports == (str(cube),)


def test_exports_go_with_the_photo_they_belong_to(batch, catalogue):
    batch(CorrectionOptions(exports=("cube",)))
    batch(CorrectionOptions(strength=0.5))
    assert not (catalogue / "out" / "on_model1.cube").exists()


def test_exports_of_a_command_that_was_killed_before_it_delivered_come_with_the_photo(
    batch, catalogue, monkeypatch
):
    out, options = catalogue / "out", CorrectionOptions(exports=("cube",), strength=0.5)
    batch(CorrectionOptions(exports=("cube",)))
    before = (out / "on_model1.cube").read_bytes()

    def killed(staged, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(garment_work, "_deliver", killed)
        with pytest.raises(KeyboardInterrupt):
            batch(options)
    done = batch(options, segmenter=Unused())["1"]
    assert done.exports == (str(out / "on_model1.cube"),)
    assert (out / "on_model1.cube").read_bytes() != before
    assert not any((out / ".chromiq" / "staged").iterdir())


def kill(patch, name, batch, *options):
    """Run a batch that is killed where it calls a function of `garment_work`."""

    def killed(*_):
        raise KeyboardInterrupt

    with patch.context() as context:
        context.setattr(garment_work, name, killed)
        with pytest.raises(KeyboardInterrupt):
            batch(*options)


def test_an_edited_export_stays_after_a_command_that_was_killed(batch, catalogue, monkeypatch):
    cube, options = catalogue / "out" / "on_model1.cube", CorrectionOptions(exports=("cube",))
    batch(options)
    cube.write_bytes(b"edited")
    both = CorrectionOptions(exports=("cube", "layers"))
    kill(monkeypatch, "write_panel", batch, both)  # the photo is made, and its exports as they were
    for again in (options, both):
        batch(again)
        assert cube.read_bytes() == b"edited"


def test_what_a_killed_command_left_is_not_delivered(batch, catalogue, monkeypatch):
    out = catalogue / "out"
    kill(monkeypatch, "write_panel", batch, CorrectionOptions(exports=("layers",)))
    assert batch(CorrectionOptions(strength=0.5))["1"].exports == ()
    assert not list(out.glob("*.layers.tif"))


def test_an_export_that_is_missing_is_made_again_and_not_named_until_then(batch, catalogue, monkeypatch):
    cube, options = catalogue / "out" / "on_model1.cube", CorrectionOptions(exports=("cube",))
    batch(options)
    kill(monkeypatch, "write_json", batch, CorrectionOptions(exports=("cube",), strength=0.5))
    assert not cube.exists()
    decide(catalogue / "out", k1={"decision": "accept"})
    assert batch(options)["1"].exports == ()
    decide(catalogue / "out", k1={})
    assert batch(options)["1"].exports == (str(cube),)
    assert cube.is_file()


def test_the_photo_is_delivered_after_its_exports(batch, catalogue, monkeypatch):
    photo = catalogue / "pairs" / "on_model1.png"
    write_photo(photo.with_suffix(".jpg"), pixels(photo))  # between its exports in the alphabet
    photo.unlink()
    replace, moved = Path.replace, []

    def seen(path, target):
        moved.append(Path(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", seen)
    batch(CorrectionOptions(exports=("cube", "layers")))
    out = catalogue / "out"
    delivered = [path.name for path in moved if path.parent == out and path.stem.startswith("on_model1")]
    assert sorted(delivered[:-1]) == ["on_model1.cube", "on_model1.layers.tif"]
    assert delivered[-1] == "on_model1.jpg"


def test_exports_of_one_name_are_a_fault(catalogue):
    pairs = catalogue / "pairs"
    with Image.open(pairs / "on_model2.png") as image:
        image.save(pairs / "on_model1.jpg")
    table = pairs / "pairs.csv"
    table.write_text(
        "still_life,on_model,key\nstill-life1.png,on_model1.png,a\nstill-life2.png,on_model1.jpg,b\n"
    )
    inputs = BatchInputs(table)
    assert not check_batch(inputs).has_faults
    (fault,) = errors_of(check_batch(inputs, exports=("cube",)).findings)
    assert (fault.code, fault.where) == ("pair.name_taken", str(pairs / "on_model1.jpg"))
    assert fault.message == f"its export would have the name of an export of {pairs / 'on_model1.png'}"


def test_a_mask_of_a_command_that_was_killed_is_not_taken_for_an_edited_one(batch, catalogue, monkeypatch):
    photo, mask = catalogue / "pairs" / "on_model1.png", catalogue / "out" / "garment_masks" / "on_model1.png"
    first, shot = batch(masks=None)["1"], pixels(photo)
    found = pixels(mask)

    def killed(*_):
        raise KeyboardInterrupt

    write_photo(photo, np.roll(shot, 12, axis=1))  # another shot
    with monkeypatch.context() as patch:
        patch.setattr(garment_work, "write_panel", killed)
        with pytest.raises(KeyboardInterrupt):
            batch(masks=None)
    assert (pixels(mask) != found).any()
    write_photo(photo, shot)
    assert batch(masks=None)["1"].mask_confidence == first.mask_confidence < 1
    np.testing.assert_array_equal(pixels(mask), found)


def test_exports_of_an_older_record_stay(batch, catalogue):
    out = catalogue / "out"
    options = CorrectionOptions(exports=("cube",))
    batch(options)
    path = garment_work.record_path(out, "1")
    record = json.loads(path.read_text())
    del record["exports"]
    path.write_text(json.dumps(record))
    decide(out, k1={"decision": "keep"})
    batch(options)
    assert (out / "on_model1.cube").is_file()


@pytest.mark.parametrize("word", ["keep", "kept"])
def test_what_is_decided_while_a_batch_runs_stays(catalogue, word):
    out = catalogue / "out"

    @contextmanager
    def stage(name):
        yield lambda done, total: decide(out, k2={"decision": word}) if name == "correct" else None

    inputs = BatchInputs(catalogue / "pairs", masks=catalogue / "masks")
    result = correct_batch(inputs, out, SEGMENTER, stage=stage)
    assert [done.key for done in result.corrections] == ["1", "2"]
    assert decisions(out)["2"]["decision"] == word
    codes = [finding.code for finding in result.findings]
    assert codes == (["decisions.value"] if word == "kept" else [])


def test_the_report_is_written_although_decisions_are_open_in_a_spreadsheet(catalogue, monkeypatch):
    out, replace = catalogue / "out", Path.replace

    def refused(path, target):
        if target.name == "decisions.csv":
            raise PermissionError(13, "Permission denied")  # as Windows does
        return replace(path, target)

    @contextmanager
    def stage(name):
        yield lambda *_: monkeypatch.setattr(Path, "replace", refused) if name == "correct" else None

    inputs = BatchInputs(catalogue / "pairs", masks=catalogue / "masks")
    result = correct_batch(inputs, out, SEGMENTER, stage=stage)
    assert [(fault.code, fault.where) for fault in result.findings] == [
        ("decisions.unwritten", str(out / "decisions.csv"))
    ]
    assert not result.done
    assert "decisions.csv: cannot be written" in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "report.csv").exists()


def test_every_stage_reports_its_progress(catalogue):
    seen = []

    @contextmanager
    def stage(name):
        yield lambda done, total: seen.append((name, done, total))

    inputs = BatchInputs(catalogue / "pairs", masks=catalogue / "masks")
    correct_batch(inputs, catalogue / "out", SEGMENTER, stage=stage)
    stages = ("check the photos", "correct", "report")
    assert seen == [(name, done, 2) for name in stages for done in (1, 2)]


def test_faults_come_before_anything_is_written(catalogue):
    (catalogue / "empty").mkdir()
    out = catalogue / "out"
    with pytest.raises(UnsoundError) as caught:
        correct_batch(BatchInputs(catalogue / "pairs", masks=catalogue / "empty"), out, SEGMENTER)
    assert [finding.code for finding in caught.value.findings] == ["masks.none"]
    twin = catalogue / "pairs" / "on-model"
    twin.mkdir()
    (twin / "on_model1.png").write_bytes((catalogue / "pairs" / "on_model1.png").read_bytes())
    rows = ["still-life1.png,on_model1.png,a", "still-life2.png,on-model/on_model1.png,b"]
    table = catalogue / "pairs" / "pairs.csv"
    table.write_text("\n".join(["still_life,on_model,key", *rows]) + "\n")
    with pytest.raises(UnsoundError) as caught:
        correct_batch(BatchInputs(table), out, SEGMENTER)
    assert [finding.code for finding in caught.value.findings] == ["pair.name_taken"]
    assert not out.exists()


def test_bad_photos_can_be_skipped_and_are_named(catalogue):
    (catalogue / "pairs" / "on_model2.png").write_bytes(b"no photo")
    inputs = BatchInputs(catalogue / "pairs", masks=catalogue / "masks", skip_bad=True)
    result = correct_batch(inputs, catalogue / "out", SEGMENTER)
    assert [done.key for done in result.corrections] == ["1"]
    assert "photo.unreadable" in [finding.code for finding in result.findings]
    assert not result.done
    assert "on_model2.png" in result.report.read_text(encoding="utf-8")


def test_a_photo_that_is_converted_is_named_by_the_batch_and_its_rerun(catalogue):
    still_life = next((catalogue / "pairs").glob("still-life1.*"))
    with Image.open(still_life) as image:
        image.convert("CMYK").save(still_life.with_suffix(".jpg"))
    if still_life.suffix != ".jpg":
        still_life.unlink()
    for _ in range(2):
        inputs = BatchInputs(catalogue / "pairs", masks=catalogue / "masks")
        result = correct_batch(inputs, catalogue / "out", SEGMENTER)
        converted = [finding.where for finding in result.findings if finding.code == "photo.converted"]
        assert converted == [str(still_life.with_suffix(".jpg"))]
    assert "so the result is sRGB" in (catalogue / "out" / "report.html").read_text()


def test_weights_that_were_fetched_since_find_masks_again_but_leave_given_ones(batch, catalogue):
    class Weights(ClassicSegmenter):
        def __init__(self, name):
            super().__init__()
            self.name = name

    def sources():
        return {key: garment_work.read_record(catalogue / "out", key)["mask"] for key in ("1", "2")}

    (catalogue / "out").mkdir()
    decide(catalogue / "out", k1={"mask": str(catalogue / "masks" / "on_model1.png")})
    batch(segmenter=Weights("mediapipe-two-models"), masks=None)
    before = sources()
    batch(segmenter=Weights("mediapipe"), masks=None)
    after = sources()
    assert (before["1"], after["1"]) == (None, None)
    assert [each["2"]["source"] for each in (before, after)] == ["mediapipe-two-models", "mediapipe"]


def test_what_somebody_changed_by_hand_is_kept_until_redone(batch, catalogue):
    out = catalogue / "out" / "on_model1.png"
    first = batch()
    made = out.read_bytes()
    Image.new("RGB", (160, 200), "teal").save(out)
    mine = out.read_bytes()
    for options in (None, CorrectionOptions(strength=0.5)):
        done = batch(options, segmenter=Unused())["1"]
        assert out.read_bytes() == mine
        assert (result_words(done), done.done) == ("changed by hand", True)
    assert batch(redo=("1",))["1"] == first["1"]
    assert out.read_bytes() == made


def test_a_file_that_was_there_before_is_not_overwritten(batch, catalogue):
    out = catalogue / "out" / "on_model1.png"
    out.parent.mkdir()
    Image.new("RGB", (160, 200), "teal").save(out)
    mine = out.read_bytes()
    assert "not made by this command" in batch()["1"].reason
    assert out.read_bytes() == mine


def test_decisions_are_obeyed_and_never_undone(batch, catalogue):
    out = catalogue / "out"
    first = batch()
    corrected = (out / "on_model1.png").read_bytes()
    decide(out, k1={"decision": "Accept", "note": "gut für Überschrift"}, k2={"decision": "force"})
    for _ in range(2):
        done = batch(CorrectionOptions(strength=0.3))
        assert (out / "on_model1.png").read_bytes() == corrected
        assert (done["1"].decision, done["1"].done) == ("accept", True)
        assert (done["2"].applied, done["2"].done) == (False, True)  # a true photo: nothing to do
        assert decisions(out)["1"]["note"] == "gut für Überschrift"
        assert decisions(out)["1"]["decision"] == "Accept"
    decide(out, k1={"decision": "reject"}, k2={"decision": "keep"})
    done = batch()
    for key in ("1", "2"):
        original = catalogue / "pairs" / f"on_model{key}.png"
        assert (out / f"on_model{key}.png").read_bytes() == original.read_bytes()
    assert (done["1"].done, done["2"].done) == (False, True)
    assert summary_line(done.values()) == "1 original kept, 1 rejected"
    decide(out, k1={})
    assert batch()["1"] == first["1"]


@pytest.mark.parametrize("changed", ["on-model photo", "still-life", "mask", "settings in its row"])
def test_an_accept_is_withdrawn_when_its_result_is_outdated(catalogue, changed):
    out, pairs, masks = (catalogue / name for name in ("out", "pairs", "masks"))
    inputs = BatchInputs(pairs, masks=masks)
    correct_batch(inputs, out, SEGMENTER)
    decide(out, k1={"decision": "accept", "note": "web"})
    assert not correct_batch(inputs, out, Unused()).findings
    if changed == "mask":
        mask = pixels(masks / "on_model1.png")[..., 0] > 127
        write_mask(masks / "on_model1.png", np.roll(mask, 2, axis=1))
    elif changed == "settings in its row":
        decide(out, k1={"decision": "accept", "note": "web", "strength": "0.5"})
    else:
        path = pairs / f"{changed.split()[0].replace('on-model', 'on_model')}1.png"
        write_photo(path, np.maximum(pixels(path), 3) - 3)
    result = correct_batch(inputs, out, SEGMENTER)
    (finding,) = result.findings
    assert (finding.code, finding.severity) == ("decisions.withdrawn", "warning")
    assert f"the {changed} changed" in finding.message
    row = decisions(out)["1"]
    assert (row["decision"], row["note"]) == ("", f"web; accept withdrawn: the {changed} changed")
    assert result.corrections[0].decision == ""
    assert not correct_batch(inputs, out, Unused()).findings


def test_accept_outlives_found_masks_given_back_and_options_of_the_run(catalogue):
    out, inputs = catalogue / "out", BatchInputs(catalogue / "pairs")
    correct_batch(inputs, out, SEGMENTER)
    before = (out / "on_model1.png").read_bytes()
    decide(out, k1={"decision": "accept"}, k2={"decision": "accept"})
    again = BatchInputs(catalogue / "pairs", masks=out / "garment_masks")
    assert not correct_batch(again, out, Unused(), CorrectionOptions(strength=0.3)).findings
    assert (out / "on_model1.png").read_bytes() == before


def test_a_row_has_its_own_strength_target_and_mask(batch, catalogue):
    out = catalogue / "out"
    full = batch()["1"]
    decide(out, k1={"strength": "0,5"})
    half = batch()["1"]
    assert half.estimated_gain == pytest.approx(full.estimated_gain / 2, abs=0.001)
    assert f"expected gain {half.estimated_gain:.1f} dE00" in half.reason
    assert "at strength 0.5" in half.reason
    assert half.colours.delta_e_after > 1.5 * batch(CorrectionOptions())["2"].colours.delta_e_after
    decide(out, k1={"target_lab": "50 30 -20"})
    np.testing.assert_allclose(batch()["1"].colours.after, (50, 30, -20), atol=2.5)
    write_mask(out / "mine.png", np.zeros((200, 160), bool))
    decide(out, k1={"mask": "mine.png"})
    result = correct_batch(BatchInputs(catalogue / "pairs", masks=catalogue / "masks"), out, SEGMENTER)
    assert [(each.code, each.where) for each in result.findings] == [("mask.empty", str(out / "mine.png"))]
    decide(out, k1={"mask": "mine.png", "decision": "keep"})
    assert batch()["1"].done


def test_keep_and_redo_become_decisions(batch, catalogue):
    out = catalogue / "out"
    batch(keep=("on_model1.png",))
    original = (catalogue / "pairs" / "on_model1.png").read_bytes()
    assert (out / "on_model1.png").read_bytes() == original
    assert decisions(out)["1"]["decision"] == "keep"
    assert batch()["1"].decision == "keep"
    assert batch(redo=("1",))["1"].applied
    assert decisions(out)["1"]["decision"] == ""
    with pytest.raises(UsageError, match=r"did you mean .*on_model1\.png"):
        batch(keep=("on_modle1.png",))


def test_bad_decisions_are_all_named_and_nothing_is_touched(batch, catalogue):
    out = catalogue / "out"
    batch()
    decide(out, k1={"decision": "maybe"}, k2={"strength": "much"})
    before = (out / "decisions.csv").read_bytes()
    with pytest.raises(UnsoundError) as caught:
        batch()
    assert [finding.code for finding in caught.value.findings] == ["decisions.value"] * 2
    assert "accept, reject, keep or force" in str(caught.value.findings[0])
    assert (out / "decisions.csv").read_bytes() == before


def test_found_masks_are_saved_and_an_edited_one_is_used(catalogue):
    out = catalogue / "out"

    def run(masks=None):
        result = correct_batch(BatchInputs(catalogue / "pairs", masks=masks), out, SEGMENTER)
        return {done.key: done for done in result.corrections}

    first = run()
    saved = out / "garment_masks" / "on_model1.png"
    assert pixels(saved).shape == (200, 160, 3)
    assert first["1"].mask_confidence < 1
    # Given back as they are, they are no surer than before.
    assert run(out / "garment_masks")["1"].mask_confidence == first["1"].mask_confidence
    edited = pixels(catalogue / "masks" / "on_model1.png")[..., 0] > 127
    edited[:140] = False
    write_mask(saved, edited)
    assert run()["1"].mask_confidence == 1
    np.testing.assert_array_equal(pixels(saved)[..., 0] > 127, edited)


def test_a_source_above_the_working_folder_keeps_its_subfolders(monkeypatch, tmp_path):
    shoot, here = tmp_path / "shoot", tmp_path / "here"
    shoot.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    source = Path("../shoot")
    pair = PhotoPair("1", source / "still-life1.jpg", source / "sub" / "on_model1.jpg")
    assert _relative_output(source, pair) == Path("sub/on_model1.jpg")


def test_the_edge_of_an_edited_mask_is_still_that_of_a_found_one(catalogue):
    out = catalogue / "out"
    inputs = BatchInputs(catalogue / "pairs")
    correct_batch(inputs, out, SEGMENTER)
    decide(out, k1={"decision": "force"})
    correct_batch(inputs, out, SEGMENTER)
    before, saved = pixels(out / "on_model1.png").astype(int), out / "garment_masks" / "on_model1.png"
    edited = pixels(saved)[..., 0] > 127
    rows, columns = np.nonzero(edited)
    row, column = int(np.median(rows)), int(np.median(columns))
    edited[row : row + 2, column : column + 2] = False
    write_mask(saved, edited)
    correct_batch(inputs, out, SEGMENTER)
    difference = np.abs(pixels(out / "on_model1.png") - before).max(axis=2)
    difference[row - 6 : row + 8, column - 6 : column + 8] = 0
    assert difference.max() < 20


def test_photos_of_one_garment_are_corrected_by_one_map(catalogue):
    """Front and back of a garment, lit alike: each alone may be corrected a little differently."""
    pairs, masks = catalogue / "pairs", catalogue / "masks"
    photo, mask = pixels(pairs / "on_model1.png"), pixels(masks / "on_model1.png")
    Image.fromarray(np.ascontiguousarray(photo[:, ::-1])).save(pairs / "on_model1-back.png")
    Image.fromarray(np.ascontiguousarray(mask[:, ::-1, 0])).save(masks / "on_model1-back.png")
    result = correct_batch(BatchInputs(pairs, masks=masks), catalogue / "out", SEGMENTER)
    done = {each.key: each for each in result.corrections}
    front, back = (pixels(catalogue / "out" / f"on_model1{side}.png") for side in ("", "-back"))
    assert done["1"].applied
    assert done["1-back"].applied
    inside = mask[..., 0] > 127
    assert delta_e_map(front, np.ascontiguousarray(back[:, ::-1]))[inside].mean() < 1
    alone = CorrectionOptions(alike=False)
    each = correct_batch(BatchInputs(pairs, masks=masks), catalogue / "alone", SEGMENTER, alone)
    assert {one.key: one.applied for one in each.corrections} == {"1": True, "1-back": True, "2": False}


def test_workers_change_no_byte(catalogue):
    inputs = BatchInputs(catalogue / "pairs", masks=catalogue / "masks")
    written = []
    for workers in (1, 2):
        out = catalogue / f"out{workers}"
        correct_batch(inputs, out, SEGMENTER, workers=workers)
        written.append([(out / f"on_model{key}.png").read_bytes() for key in (1, 2)])
    assert written[0] == written[1]


def test_subfolders_are_kept_with_a_pattern(catalogue):
    pairs = catalogue / "pairs"
    (pairs / "monday").mkdir()
    (pairs / "still-life1.png").rename(pairs / "monday" / "A_flat.png")
    (pairs / "on_model1.png").rename(pairs / "monday" / "A_front.png")
    inputs = BatchInputs(pairs, PairPattern("{sku}_flat*", "{sku}_front*"))
    out = pairs / "results"
    for _ in range(2):  # its own results are not taken for photos
        (done,) = correct_batch(inputs, out, SEGMENTER).corrections
        assert (done.key, done.out) == ("monday_A_front", str(out / "monday" / "A_front.png"))


def test_subfolders_are_kept_with_a_csv_file(catalogue):
    rows = ["still_life,on_model,key"]
    for key in (1, 2):
        (catalogue / f"sku{key}").mkdir()
        (catalogue / "pairs" / f"on_model{key}.png").rename(catalogue / f"sku{key}" / "front.png")
        rows.append(f"pairs/still-life{key}.png,sku{key}/front.png,{key}")
    (catalogue / "pairs.csv").write_text("\n".join(rows))
    result = correct_batch(BatchInputs(catalogue / "pairs.csv"), catalogue / "out", SEGMENTER)
    names = [str(catalogue / "out" / name / "front.png") for name in ("sku1", "sku2")]
    assert [done.out for done in result.corrections] == names
    (catalogue / "lists").mkdir()
    rows = [row.replace("pairs/", "../pairs/").replace("sku", "../sku") for row in rows[:2]]
    (catalogue / "lists" / "pairs.csv").write_text("\n".join(rows))
    with pytest.raises(UsageError, match="would overwrite"):
        correct_batch(BatchInputs(catalogue / "pairs.csv"), catalogue, SEGMENTER)
    result = correct_batch(BatchInputs(catalogue / "lists" / "pairs.csv"), catalogue / "flat", SEGMENTER)
    assert [done.out for done in result.corrections] == [str(catalogue / "flat" / "front.png")]


def run_verb(*words):
    return CliRunner().invoke(app, ["correct", *map(str, words), "--segmenter", "classic"])


def test_the_verb_ends_with_a_summary_and_exits_3(catalogue):
    words = ["--batch", catalogue / "pairs", "--masks", catalogue / "masks", "--out", catalogue / "out"]
    result = run_verb(*words)
    assert result.exit_code == 3, result.output
    assert result.stdout.splitlines()[-1].startswith("1 to look at, 1 left alone; see ")
    document = json.loads(run_verb(*words, "--json").stdout)
    assert [item["applied"] for item in document["corrections"]] == [True, False]
    assert document["corrections"][1]["reason"].startswith("left alone")
    assert document["summary"] == "1 to look at, 1 left alone"
    promised = {"on_model", "out", "estimated_gain", "mask_confidence", "outside"}
    assert promised <= document["corrections"][0].keys()
    decide(catalogue / "out", k1={"decision": "accept"}, k2={"decision": "keep"})
    assert run_verb(*words).exit_code == 0
    next((catalogue / "pairs").glob("on_model2.*")).write_bytes(b"no photo")
    skipped = run_verb(*words, "--skip-bad").stdout.splitlines()[-1]
    assert skipped.startswith("1 accepted; 1 error above; see ")


def test_a_dry_run_shows_what_matches_and_writes_nothing(catalogue):
    pairs = catalogue / "pairs"
    (pairs / "moodboard.png").write_bytes((pairs / "on_model1.png").read_bytes())
    result = run_verb("--batch", pairs, "--pattern", "still-life{n}", "on_model{n}", "--dry-run")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].endswith(f"{pairs / 'still-life1.png'} -> {pairs / 'on_model1.png'}")
    assert lines[2] == f"other file: {pairs / 'moodboard.png'}"
    assert lines[3] == "2 photos of 2 garments; 0 errors; 1 other file"
    assert not (catalogue / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "words", "code"),
    [
        ("on_model1.png", (), 10),
        ("on_model1.png", ("--skip-bad",), 3),
        ("on_model*.png", ("--skip-bad",), 10),
        ("*", (), 10),
        ("", ("--keep", "7"), 2),
        ("", ("--masks", "."), 10),
        ("out", (), 2),
        ("decisions.csv", (), 10),
    ],
)
def test_a_dry_run_answers_with_the_exit_code_of_the_run(chromiq, catalogue, tmp_path, spoil, words, code):
    pairs, out = catalogue / "pairs", tmp_path / "results"
    if spoil == "decisions.csv":
        out.mkdir()
        (out / spoil).write_text("key,decision\n1,perhaps\n")
    elif spoil == "out":
        out.write_text("a file")
    elif spoil:
        for path in pairs.glob(spoil):
            path.write_bytes(path.read_bytes()[:-2000])
    given = ("correct", "--batch", pairs, "--out", out, "--segmenter", "classic", *words)
    assert chromiq(*given, "--dry-run").code == code
    assert chromiq(*given).code == code
    if spoil == "on_model1.png" and not words:
        assert "1 fault; 1 photo can be corrected with --skip-bad" in chromiq(*given).err
    assert "Pass it as --batch" in chromiq("correct", pairs, "--out", out).err


def test_names_are_printed_on_one_line_without_control_characters(catalogue, tmp_path):
    pairs = (catalogue / "pairs").rename(tmp_path / "a\nb\x1b[31m")
    result = run_verb("--batch", pairs, "--dry-run")
    assert result.stdout.splitlines()[0].startswith(f"1: {tmp_path}/a\\nb\\x1b[31m/still-life1.png -> ")
    assert len(result.stdout.splitlines()) == 3
    (pairs / "on_model1.png").unlink()
    (pairs / "still-life1.png").rename(pairs / "still-life\x07\u202e.png")
    assert not {"\x1b", "\x07", "\u202e"} & set(run_verb("--batch", pairs, "--dry-run").output)


def test_an_on_model_photo_of_two_pairs_is_a_fault(catalogue, tmp_path):
    table = catalogue / "pairs.csv"
    rows = (
        "pairs/still-life1.png,pairs/on_model1.png,shirt\npairs/still-life2.png,pairs/on_model1.png,skirt\n"
    )
    table.write_text(f"still_life,on_model,key\n{rows}")
    with pytest.raises(UnsoundError) as caught:
        correct_batch(BatchInputs(table), tmp_path / "out", SEGMENTER)
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("pair.name_taken", str(catalogue / "pairs/on_model1.png"))
    assert finding.message == "is the on-model photo of two pairs"


def test_a_rerun_reads_each_record_and_looks_for_each_mask_once(batch, monkeypatch):
    batch()
    reads, lookups = [], []
    read, look = garment_work.read_record, results.mask_paths
    monkeypatch.setattr(
        garment_work, "read_record", lambda folder, key: reads.append(key) or read(folder, key)
    )
    monkeypatch.setattr(results, "mask_paths", lambda *given: lookups.append(given) or look(*given))
    batch(segmenter=Unused())
    assert (sorted(reads), len(lookups)) == (["1", "2"], 1)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"pairs": ["1"]}', '{"pairs": [{"out": 1}]}'])
def test_a_damaged_record_of_a_batch_is_none(tmp_path, text):
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / "run.json").write_text(text)
    assert results.read_run(tmp_path) is None

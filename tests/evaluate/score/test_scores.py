"""Scores: what each figure says, which faults are refused, what the files hold, when the gate closes."""

import csv
import json
import unicodedata

import numpy as np
import pytest
from places import REAL
from skimage.color import deltaE_ciede2000, rgb2lab
from typer.testing import CliRunner

from chromiq.errors import UnsoundError
from chromiq.evaluate.score.crops import Crop
from chromiq.evaluate.score.difference import measure_difference
from chromiq.evaluate.score.scores import (
    ImageScore,
    ImageSet,
    by_garment,
    compare,
    score_folders,
    scores_document,
    write_scores,
)
from chromiq.photos.images import read_photo, write_mask, write_photo
from chromiq_cli.output import print_scores
from chromiq_cli.verbs import app

# Table 1 of the published run: row, generated against truth, control against truth; the crop's number.
PUBLISHED = (("1", 5.788, 7.178, 3), ("3", 6.858, 9.189, 1), ("7", 4.337, 28.366, 7))


def scene(seed=0, size_hw=(96, 128)):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (size_hw[0] // 8, size_hw[1] // 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 8, 0), 8, 1) + rng.integers(0, 12, (*size_hw, 3), dtype=np.uint8)


@pytest.fixture
def folders(tmp_path):
    for name in ("a", "b"):
        truth = scene(ord(name))
        for column, shift in (("gt", 0), ("control", 30), ("generated", 10)):
            write_photo(tmp_path / column / f"{name}.png", truth + np.uint8(shift))
    return tmp_path


def asked(folders):
    """The arguments that score all images of the folders."""
    names = {"--gt": "gt", "--control": "control", "--generated": "generated", "--out": "out"}
    return [part for option, name in names.items() for part in (option, folders / name)]


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def columns(root):
    return {"control": root / "control", "generated": root / "generated"}


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real photos are not at ../shared/real")
def test_published_rows_come_out_to_the_third_decimal(tmp_path):
    for row, _, _, number in PUBLISHED:
        for column, kind in (("gt", "gt"), ("control", "control"), ("generated", "generated")):
            (tmp_path / column).mkdir(exist_ok=True)
            (tmp_path / column / f"{row}.jpg").symlink_to(REAL / "test" / f"crop{number}_{kind}.jpg")
    scores = score_folders(ImageSet(tmp_path / "gt", columns(tmp_path)))
    found = [
        (score.name, *(round(score.differences[c].mean, 3) for c in ("generated", "control")))
        for score in scores
    ]
    assert found == [row[:3] for row in PUBLISHED]


def test_figures_inside_and_outside_a_mask():
    truth = scene()
    inside = np.zeros(truth.shape[:2], bool)
    inside[20:60, 30:90] = True
    control, image = truth.copy(), truth.copy()
    control[inside] += np.uint8(25)
    image[inside] += np.uint8(5)
    image[:10] += np.uint8(9)
    found = measure_difference(truth, image, inside, control=control, outside=~inside)
    reference = deltaE_ciede2000(rgb2lab(truth), rgb2lab(image))[inside]
    assert found.mean == pytest.approx(reference.mean(), abs=1e-4)
    assert (found.median, found.p95) == pytest.approx(np.percentile(reference, [50, 95]), abs=1e-3)
    assert max(found.chroma, found.hue) < found.lightness < found.mean
    changed = deltaE_ciede2000(rgb2lab(control), rgb2lab(image))[~inside]
    assert found.leak_mean == pytest.approx(changed.mean(), abs=1e-4)
    assert found.leak_over_2 <= found.leak_over_1 == pytest.approx((changed > 1).mean(), abs=1e-3)


def test_the_split_tells_lightness_from_hue():
    truth = np.full((16, 16, 3), (180, 60, 60), np.uint8)
    turned = np.full((16, 16, 3), (60, 60, 180), np.uint8)
    found = measure_difference(truth, turned)
    assert found.hue > max(found.lightness, found.chroma)
    assert -120 < found.hue_shift_deg < -60
    darker = measure_difference(truth, (truth * 0.8).astype(np.uint8))
    assert darker.lightness > max(darker.chroma, darker.hue)
    assert darker.lightness_shift < -5
    assert measure_difference(np.full_like(truth, 90), truth).hue_shift_deg is None


def test_texture_ignores_colour_and_sees_blur():
    import cv2

    control = scene(size_hw=(160, 160))
    recoloured = (control * np.array([0.9, 0.8, 0.7])).astype(np.uint8)
    blurred = cv2.GaussianBlur(control, (0, 0), 3)
    kept, lost = (measure_difference(control, image, control=control) for image in (recoloured, blurred))
    assert kept.gradient_correlation > 0.97
    assert kept.ssim > 0.97
    assert lost.gradient_correlation < 0.8
    assert lost.ssim < 0.9
    flat = np.full((20, 20, 3), 99, np.uint8)
    assert measure_difference(flat, flat, control=flat).gradient_correlation is None


def test_another_size_is_refused_with_both_sizes(folders):
    write_photo(folders / "generated" / "a.png", scene()[:, :-8])
    (folders / "control" / "b.png").unlink()
    with pytest.raises(UnsoundError) as caught:
        score_folders(ImageSet(folders / "gt", columns(folders)))
    assert [finding.code for finding in caught.value.findings] == ["score.size", "score.missing"]
    assert "128x96" in str(caught.value.findings[0])
    assert "120x96" in str(caught.value.findings[0])


def test_a_shifted_image_is_registered_when_asked(folders):
    big = scene(5, (160, 192))
    write_photo(folders / "gt" / "a.png", big[20:116, 30:158])
    write_photo(folders / "control" / "a.png", big[20:116, 30:158] + np.uint8(30))
    write_photo(folders / "generated" / "a.png", big[14:110, 34:162])
    before, _ = score_folders(ImageSet(folders / "gt", columns(folders)))
    after, _ = score_folders(ImageSet(folders / "gt", columns(folders)), register=True)
    assert before.differences["generated"].mean > 10
    assert after.differences["generated"].mean < 0.5
    found = after.differences["generated"]
    assert (found.dx_px, found.dy_px) == pytest.approx((-4, 6), abs=0.2)
    assert before.differences["generated"].dx_px is None


def test_what_cannot_be_registered_is_refused(folders):
    write_photo(
        folders / "generated" / "a.png", np.random.default_rng(9).integers(0, 256, (96, 128, 3), np.uint8)
    )
    write_photo(folders / "generated" / "b.png", scene(1, (96, 96)))
    with pytest.raises(UnsoundError) as caught:
        score_folders(ImageSet(folders / "gt", columns(folders)), register=True)
    assert [finding.code for finding in caught.value.findings] == ["score.registration", "score.shape"]


def test_two_files_of_one_name_and_a_missing_mask_are_not_passed_over(folders):
    write_photo(folders / "generated" / "a.jpg", scene())
    write_mask(folders / "masks" / "b.png", np.ones((96, 128), bool))
    images = ImageSet(folders / "gt", columns(folders), masks=folders / "masks")
    with pytest.raises(UnsoundError, match=r"generated/a\.png: a\.jpg has the same name but for its suffix"):
        score_folders(images)
    (folders / "generated" / "a.jpg").unlink()
    with pytest.raises(UnsoundError, match="a: no mask of this name in"):
        score_folders(images)


def test_a_crop_must_lie_on_the_image_and_on_the_garment(folders):
    mask = np.zeros((96, 128), bool)
    mask[:, 64:] = True
    write_mask(folders / "masks" / "a.png", mask)
    for crop, code in (
        (Crop(x=120, y=0, width=9, height=9), "bounds"),
        (Crop(x=60, y=0, width=9, height=9), "mask"),
    ):
        with pytest.raises(UnsoundError) as caught:
            score_folders(
                ImageSet(folders / "gt", columns(folders), crops={"a": crop}, masks=folders / "masks")
            )
        assert [finding.code for finding in caught.value.findings] == [f"crops.{code}"]
    on = {"a": Crop(x=70, y=5, width=20, height=20)}
    (score,) = score_folders(ImageSet(folders / "gt", columns(folders), crops=on, masks=folders / "masks"))
    truth, image = (read_photo(folders / c / "a.png").rgb[5:25, 70:90] for c in ("gt", "generated"))
    expected = deltaE_ciede2000(rgb2lab(truth), rgb2lab(image)).mean()
    assert score.differences["generated"].mean == pytest.approx(expected, abs=1e-4)
    assert score.differences["generated"].leak_mean > 1


def scored(means):
    truth = np.full((4, 4, 3), 100, np.uint8)
    return [
        ImageScore(
            name,
            {
                "control": measure_difference(truth, truth + np.uint8(30)),
                "generated": measure_difference(truth, truth + np.uint8(off)),
            },
            kind,
        )
        for name, off, kind in means
    ]


def test_wins_losses_and_the_worst_by_kind():
    scores = scored([("1", 3, "shirt"), ("2", 60, "dress"), ("=3", 0, "shirt")])
    found = compare(scores, "generated")
    assert (found.wins, found.losses, found.worst) == (2, 1, "2")
    assert found.worst_change > 0 > found.interval[0]
    assert found.interval[0] <= found.mean_change <= found.interval[1]
    assert {kind: len(members) for kind, members in by_garment(scores).items()} == {"dress": 1, "shirt": 2}


def test_the_files_hold_all_of_it(tmp_path):
    scores = scored([("1", 3, "shirt"), ("2", 0, None), ("=3", 0, None)])
    write_scores(tmp_path, scores)
    document = json.loads((tmp_path / "scores.json").read_text())
    assert document == json.loads(json.dumps(scores_document(scores)))
    (first, *_), average = document["images"], document["average"]
    assert first["name"] == "1"
    assert average["generated_vs_truth"] == pytest.approx(first["generated_vs_truth"]["mean"] / 3)
    assert document["by_garment"]["shirt"]["images"] == 1
    low, high = document["interval"]["generated_vs_truth"]
    assert low == 0 < high
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [row["name"] for row in rows] == ["1", "1", "2", "2", "'=3", "'=3"]
    assert rows[-2]["garment"] == rows[-2]["leak_mean"] == ""


@pytest.mark.parametrize(("images", "said"), [(1, "1 image"), (2, "2 images")])
def test_fewer_than_three_images_have_no_interval(images, said, capsys):
    scores = scored([("1", 3, None), ("2", 6, None)][:images])
    document = scores_document(scores)
    assert document["interval"] == {"control_vs_truth": None, "generated_vs_truth": None}
    assert document["comparison"]["generated"]["interval"] is None
    print_scores(scores)
    printed = capsys.readouterr().out
    assert printed.count(f"no interval from {said}") == 3
    assert "95 % interval 0" not in printed
    assert "against uncorrected: " in printed


def test_the_gate_closes_above_the_limit(folders):
    given = asked(folders)
    done = run(*given, "--json")
    assert done.exit_code == 0
    average = json.loads(done.stdout)["average"]["generated_vs_truth"]
    assert average == pytest.approx(4.2, abs=1.5)
    assert run(*given, "--fail-above", average).exit_code == 0
    assert run(*given, "--fail-above", average * 0.99).exit_code == 1


def test_kinds_come_from_a_file(folders):
    (folders / "kinds.json").write_text('{"a.png": "shirt", "b": "dress"}')
    scores = run(*asked(folders), "--garments", folders / "kinds.json")
    assert "dress (average of 1)" in scores.stdout


def test_names_match_in_both_unicode_forms(tmp_path):
    composed, split = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    for column, name in (("gt", composed), ("control", split), ("generated", composed)):
        write_photo(tmp_path / column / f"{name}.png", scene())
    crop = {"x": 8, "y": 8, "width": 16, "height": 16}
    (tmp_path / "crops.json").write_text(json.dumps({split: crop}))
    (tmp_path / "garments.json").write_text(json.dumps({f"{split}.jpg": "shirt"}))
    result = run(
        *asked(tmp_path),
        "--crops",
        tmp_path / "crops.json",
        "--garments",
        tmp_path / "garments.json",
        "--json",
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["images"][0]["name"] == composed
    assert json.loads(result.stdout)["images"][0]["garment"] == "shirt"

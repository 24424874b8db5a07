"""Folders as studios have them: subfolders, several photos of a garment, names by a pattern."""

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from chromiq.dataset_builder.inputs.mask_files import find_masks
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.inputs.photo_names import PairPattern
from chromiq.errors import UnsoundError, UsageError, errors_of
from chromiq.records import PhotoPair


@pytest.fixture
def shoot(tmp_path):
    """Makes photos of these names."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), "red").save(path)
        return tmp_path

    return make


def listed(folder, **options):
    listing = find_pairs(folder, **options)
    pairs = {
        pair.key: (
            pair.still_life.relative_to(folder).as_posix(),
            pair.on_model.relative_to(folder).as_posix(),
        )
        for pair in listing.pairs
    }
    return pairs, [finding.code for finding in listing.findings if finding.severity == "error"]


def test_a_still_life_may_have_several_on_model_photos(shoot):
    folder = shoot("still-life1.png", "on_model1.png", "on_model1-back.png", "on_model1_2.png")
    pairs, errors = listed(folder)
    assert errors == []
    assert pairs == {
        "1": ("still-life1.png", "on_model1.png"),
        "1-back": ("still-life1.png", "on_model1-back.png"),
        "1_2": ("still-life1.png", "on_model1_2.png"),
    }


def test_a_longer_number_is_another_garment(shoot):
    folder = shoot("still-life1.png", "on_model1.png", "on_model10.png", "on_model1x.png")
    assert listed(folder) == (
        {"1": ("still-life1.png", "on_model1.png")},
        ["pair.incomplete", "pair.incomplete"],
    )


def test_subfolders_with_pairs_are_searched_and_others_are_not(shoot):
    folder = shoot(
        "monday/still-life1.png",
        "monday/on_model1.png",
        "tuesday/still-life/1.png",
        "tuesday/on-model/1.png",
        "masks/on_model1.png",
        "out/on_model1.png",
        "out/still-life1.png",
    )
    pairs, errors = listed(folder, out=folder / "out")
    assert errors == []
    assert pairs == {
        "monday_1": ("monday/still-life1.png", "monday/on_model1.png"),
        "tuesday_1": ("tuesday/still-life/1.png", "tuesday/on-model/1.png"),
    }


def test_a_table_may_name_files_as_windows_does(shoot):
    folder = shoot("Früh/liegend/SKU 101.png", "Früh/on\\model.png", "Früh/getragen.png")
    (folder / "pairs.csv").write_text(
        "key,still_life,on_model\na,Früh\\liegend\\SKU 101.png,Früh\\getragen.png\n"
        "b,Früh/liegend/SKU 101.png,Früh/on\\model.png\n"
    )
    pairs = {
        pair.key: (pair.still_life.name, pair.on_model.name)
        for pair in find_pairs(folder / "pairs.csv").pairs
    }
    assert pairs == {"a": ("SKU 101.png", "getragen.png"), "b": ("SKU 101.png", "on\\model.png")}


def test_a_pattern_pairs_a_studios_own_names(shoot):
    folder = shoot(
        "A-1_flat.png",
        "A-1_front.png",
        "A-1_front_2.png",
        "a_2_FLAT_v3.png",
        "a_2_front.png",
        "day/B_flat.png",
        "day/B_front.png",
        "moodboard.png",
        "C_flat.png",
    )
    pattern = PairPattern("{sku}_flat*", "{sku}_front*")
    pairs, errors = listed(folder, pattern=pattern)
    assert pairs == {
        "A-1_front": ("A-1_flat.png", "A-1_front.png"),
        "A-1_front_2": ("A-1_flat.png", "A-1_front_2.png"),
        "a_2_front": ("a_2_FLAT_v3.png", "a_2_front.png"),
        "day_B_front": ("day/B_flat.png", "day/B_front.png"),
    }
    assert errors == ["pair.incomplete"]
    assert find_pairs(folder, pattern=pattern).leftover == (folder / "moodboard.png",)


def test_a_pattern_with_a_slash_is_matched_to_the_path(shoot):
    folder = shoot("A/flat.png", "A/model/1.png", "A/model/2.png", "B/flat.png", "B/model/1.png")
    pairs, errors = listed(folder, pattern=PairPattern("{sku}/flat", "{sku}/model/*"))
    assert errors == []
    assert sorted(pairs) == ["A_model_1", "A_model_2", "B_model_1"]


def test_two_still_lifes_of_one_garment_are_refused(shoot):
    folder = shoot("A_flat1.png", "A_flat2.png", "A_front.png")
    assert listed(folder, pattern=PairPattern("{sku}_flat*", "{sku}_front*")) == ({}, ["pair.claimed_twice"])


def test_patterns_need_something_in_common():
    with pytest.raises(UsageError, match="share no placeholder"):
        PairPattern("{sku}_flat*", "*_front*")
    with pytest.raises(UsageError, match="letters, digits and underscores"):
        PairPattern("{x²}_flat*", "{x²}_front*")


@pytest.mark.parametrize(
    ("pattern", "name", "garment"),
    [
        ("{sku}_flat*", "A_1_flat.jpg", ("a_1",)),
        ("{sku}_flat", "A_1_flat.jpg", ("a_1",)),
        ("{sku}/{sku}_flat*", "A/A_flat.jpg", ("a",)),
        ("{sku}\\{sku}_flat*", "A/A_flat.jpg", ("a",)),
        ("{sku}/{sku}_flat*", "A/B_flat.jpg", None),
        ("**/{sku}_flat.jpg", "x/y/A_flat.jpg", ("a",)),
        ("flat_{sku}_?", "flat_A_2.jpg", ("a",)),
        ("{sku}.(1)", "A.(1).png", ("a",)),
    ],
)
def test_pattern_syntax(pattern, name, garment):
    fits = PairPattern(pattern, "never/{sku}").role_and_garment(Path(name))
    assert (fits and fits[1]) == garment


def test_masks_may_be_named_by_key_or_like_the_photo(shoot):
    folder = shoot("A_flat.png", "A_front.png", "B_flat.png", "B_front.png")
    pairs = find_pairs(folder, pattern=PairPattern("{sku}_flat", "{sku}_front")).pairs
    masks = shoot("masks/on_modelA_front.png", "masks/B_front.png") / "masks"
    assert find_masks(pairs, masks).by_key == {
        "A_front": masks / "on_modelA_front.png",
        "B_front": masks / "B_front.png",
    }


def test_masks_of_photos_of_one_name_lie_in_subfolders_like_theirs(shoot):
    photos = [f"shop/{sku}/{view}.jpg" for sku in ("A-1", "A-2") for view in ("flat", "front")]
    folder = shoot(*photos, "masks/A-1/front.png", "masks/shop/A-2/front.png", "masks/A-3/front.png")
    pairs = find_pairs(folder / "shop", pattern=PairPattern("{sku}/flat", "{sku}/front")).pairs
    masks = folder / "masks"
    found = find_masks(pairs, masks)
    assert found.by_key == {
        "A-1_front": masks / "A-1" / "front.png",
        "A-2_front": masks / "shop" / "A-2" / "front.png",
    }
    assert found.unused == ("A-3/front.png",)


def test_a_mask_that_fits_several_photos_is_a_fault(shoot):
    folder = shoot("A-1/flat.jpg", "A-1/front.jpg", "A-2/flat.jpg", "A-2/front.jpg", "masks/front.png")
    pairs = find_pairs(folder, pattern=PairPattern("{sku}/flat", "{sku}/front")).pairs
    with pytest.raises(UnsoundError) as caught:
        find_masks(pairs, folder / "masks")
    (fault,) = caught.value.findings
    assert (fault.code, fault.where) == ("masks.several", str(folder / "masks" / "front.png"))
    assert f"{folder / 'A-1' / 'front.jpg'} and {folder / 'A-2' / 'front.jpg'}" in fault.message
    assert "on_modelKEY.png" in fault.hint


@pytest.mark.parametrize("source", [Path("shop"), Path("shop").absolute])
@pytest.mark.parametrize("masks", [Path(), Path.cwd, Path("shop")])
def test_no_photo_is_a_mask_of_itself_however_the_paths_are_written(source, masks, shoot, monkeypatch):
    monkeypatch.chdir(shoot(*(f"shop/{sku}/{view}.png" for sku in "AB" for view in ("flat", "front"))))
    source, masks = (each() if callable(each) else each for each in (source, masks))
    pairs = find_pairs(source, pattern=PairPattern("{sku}/flat", "{sku}/front")).pairs
    assert len(pairs) == 2
    found = find_masks(pairs, masks)
    assert (found.by_key, found.unused) == ({}, ())


def test_a_mask_of_one_photo_in_two_spellings_is_used_for_both(shoot):
    folder = shoot("A/flat.png", "A/front.png", "B/flat.png", "masks/front.png")
    rows = "1,A/flat.png,A/front.png\n2,B/flat.png,B/../A/front.png\n"
    (folder / "list.csv").write_text(f"key,still_life,on_model\n{rows}")
    mask = folder / "masks" / "front.png"
    assert find_masks(find_pairs(folder / "list.csv").pairs, mask.parent).by_key == {"1": mask, "2": mask}


COMPOSED, SPLIT = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")


@pytest.mark.parametrize(("on_disk", "written"), [(COMPOSED, SPLIT), (SPLIT, COMPOSED)])
def test_names_match_in_both_unicode_forms(shoot, on_disk, written):
    folder = shoot(f"{on_disk}/1 {on_disk}flat.png", f"{on_disk}/1 {on_disk}worn.png")
    photos = (folder / f"{on_disk}/1 {on_disk}flat.png", folder / f"{on_disk}/1 {on_disk}worn.png")
    pairs = find_pairs(folder, pattern=PairPattern(f"{{sku}} {written}flat", f"{{sku}} {written}worn")).pairs
    assert [pair.photos for pair in pairs] == [photos]
    line = f"{written}/1 {written}flat.png,{written}/1 {written}worn.png,1"
    (folder / "list.csv").write_text(f"still_life,on_model,key\n{line}\n", encoding="utf-8")
    pairs = find_pairs(folder / "list.csv").pairs
    assert [pair.photos for pair in pairs] == [photos]
    mask = folder / f"1 {written}worn.png"
    Image.new("L", (64, 64)).save(mask)
    assert find_masks(pairs, folder).by_key == {"1": mask}


@pytest.mark.parametrize("again", ["./flat.png", "sub/../flat.png"])
def test_views_of_a_still_life_have_own_keys_however_its_path_is_written(again, shoot):
    folder = shoot("flat.png", "front.png", "back.png", "sub/other.png")
    (folder / "list.csv").write_text(f"still_life,on_model\nflat.png,front.png\n{again},back.png\n")
    assert [pair.key for pair in find_pairs(folder / "list.csv").pairs] == ["back", "front"]


def test_patterns_match_in_both_unicode_forms_of_their_placeholder():
    pattern = PairPattern(f"{{n{COMPOSED}}}_flat", f"{{n{SPLIT}}}_front")
    assert pattern.role_and_garment(Path("A_front.png")) == ("on_model", ("a",))


def test_a_mask_is_found_under_a_name_of_mixed_unicode_forms(shoot):
    mask = shoot(f"masks/{COMPOSED}{SPLIT}.png") / f"masks/{COMPOSED}{SPLIT}.png"
    pair = PhotoPair("1", Path("flat.png"), Path(f"{SPLIT}{COMPOSED}.png"))
    assert find_masks([pair], mask.parent).by_key == {"1": mask}


def test_masks_are_png_files_in_any_case_and_others_are_named(shoot):
    names = ("ON_MODEL1.PNG", "front2.png", "on_model3.jpg", "front4.tif", "._front2.png")
    folder = shoot(
        "front1.jpg", "front2.jpg", "front3.jpg", "front4.tif", *(f"masks/{name}" for name in names)
    )
    pairs = [PhotoPair(key, folder / "flat.jpg", folder / f"front{key}.jpg") for key in "1234"]
    masks = folder / "masks"
    found = find_masks(pairs, masks)
    assert found.by_key == {"1": masks / "ON_MODEL1.PNG", "2": masks / "front2.png"}
    assert found.unused == ("front4.tif", "on_model3.jpg")
    own = PhotoPair("9", folder / "flat.png", masks / "front2.png")
    assert find_masks([own], masks).by_key == {}


def test_names_that_are_too_long_when_decomposed(shoot):
    name = "\uac01" * 40  # a Korean syllable: 3 bytes, decomposed 9
    folder = shoot(f"still-life{name}.png", f"on_model{name}.png", "masks/other.png")
    (folder / "list.csv").write_text(
        f"still_life,on_model\nstill-life{name}.png,on_model{name}.png\ngone{name}.png,on_model{name}.png\n",
        encoding="utf-8",
    )
    pairs = find_pairs(folder).pairs
    assert [pair.key for pair in pairs] == [name]
    assert find_masks(pairs, folder / "masks").unused == ("other.png",)
    (fault,) = errors_of(find_pairs(folder / "list.csv").findings)
    assert (fault.code, fault.where) == ("photo.missing", str(folder / f"gone{name}.png"))

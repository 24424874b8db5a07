"""decisions.csv as spreadsheets change it."""

import unicodedata
from pathlib import Path

import pytest

from chromiq.correction.decisions_csv import Decision, key_finder, named_keys, read_decisions, write_decisions
from chromiq.correction.options import CorrectionOptions
from chromiq.errors import UnsoundError, UsageError


def test_a_new_file_opens_in_a_spreadsheet(tmp_path):
    photos = {"7": Path("on_model7.jpg"), "é": Path("é.jpg")}
    write_decisions(read_decisions(tmp_path, photos), photos, {"7": "left alone"})
    data = (tmp_path / "decisions.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfkey,photo,result,decision,")
    assert b"7,on_model7.jpg,left alone,,,,,,\r\n" in data


@pytest.mark.parametrize("name", ["=HYPERLINK(1).jpg", "@SUM(1).jpg", "+1.jpg", "-1.jpg"])
def test_a_file_name_is_no_formula(tmp_path, name):
    for _ in range(2):
        write_decisions(read_decisions(tmp_path, {"7": Path("7.jpg")}), {"7": Path(name)}, {})
    assert f"7,'{name},".encode() in (tmp_path / "decisions.csv").read_bytes()


def test_rows_columns_and_delimiter_stay(tmp_path):
    (tmp_path / "decisions.csv").write_bytes(
        "Key;Decision;Freigabe;strength\r\ngone;reject;nein;\r\n7;keep;ja;0,5\r\n".encode("utf-16")
    )
    photos = {"7": Path("on_model7.jpg"), "8": Path("on_model8.jpg")}
    decisions = read_decisions(tmp_path, photos)
    assert decisions.of("7") == Decision("keep", strength=0.5)
    assert decisions.of("8") == Decision()
    assert decisions.unknown == ("gone",)
    for _ in range(2):
        write_decisions(read_decisions(tmp_path, photos), photos, {})
        lines = (tmp_path / "decisions.csv").read_text(encoding="utf-8-sig").splitlines()
        assert lines[0].startswith("Key;Decision;Freigabe;strength;photo;result;")
        assert lines[1].startswith("gone;reject;nein;")
        assert lines[2].startswith("7;keep;ja;0,5;on_model7.jpg;")
        assert lines[3].startswith("8;;;;on_model8.jpg;")


def test_a_decision_beside_another_photo_is_a_fault(tmp_path):
    rows = ["key,photo,decision", "8,on_model7.jpg,keep", "7,on_model8.jpg,", "9,old_name9.jpg,keep"]
    (tmp_path / "decisions.csv").write_text("\n".join(rows))
    with pytest.raises(UnsoundError) as caught:
        read_decisions(tmp_path, {key: Path(f"on_model{key}.jpg") for key in "789"})
    assert [(finding.code, finding.where[-6:]) for finding in caught.value.findings] == [
        ("decisions.mixed", "line 2")
    ]


@pytest.mark.parametrize("second", ["", "G2,front.jpg,keep\n", "G2,side.jpg,keep\n"])
def test_a_photo_that_is_replaced_by_another_view_keeps_its_decision(tmp_path, second):
    (tmp_path / "decisions.csv").write_text(f"key,photo,decision\nG1,front.jpg,keep\n{second}")
    photos = {"G1": Path("G1/back.jpg"), "G2": Path("G2/front.jpg")}
    assert read_decisions(tmp_path, photos).of("G1").verdict == "keep"


def test_columns_without_a_name_or_of_one_name_keep_what_is_in_them(tmp_path):
    rows = ["key;decision;;;shop;shop", "7;keep;ask;Anna;Rome;Oslo"]
    (tmp_path / "decisions.csv").write_text("\n".join(rows))
    photos = {"7": Path("on_model7.jpg")}
    decisions = read_decisions(tmp_path, photos)
    assert decisions.of("7").verdict == "keep"
    write_decisions(decisions, photos, {})
    written = (tmp_path / "decisions.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line[: len(row)] for line, row in zip(written, rows, strict=True)] == rows


def test_a_column_that_counts_may_not_be_there_twice(tmp_path):
    (tmp_path / "decisions.csv").write_text("key;decision;Decision \n7;keep;reject\n")
    with pytest.raises(UnsoundError, match=r"decisions\.csv: several columns are called decision"):
        read_decisions(tmp_path, {"7": Path("on_model7.jpg")})


@pytest.mark.parametrize(
    ("text", "keys", "key"),
    [
        ("007", ["007", "7"], "007"),
        ("7", ["007", "08"], "007"),
        ("7", ["007", "07"], None),
        ("7.0", ["7"], "7"),
        ("4,05679E+12", ["4056789012345"], None),
        ("sku-a", ["SKU-A"], "SKU-A"),
        ("hd-exp+.5", ["hd-exp_.5"], "hd-exp_.5"),
        ("..", ["7"], None),
        ("x", ["7"], None),
    ],
)
def test_keys_that_a_spreadsheet_changed_are_recognised(text, keys, key):
    assert key_finder({each: Path(f"{each}.jpg") for each in keys})(text, "") == key


def test_a_key_that_a_spreadsheet_spoilt_is_that_of_its_photo(tmp_path):
    keys = ["4056789012345", "4056789012352", "1-2"]
    photos = {key: Path(f"on_model{key}.jpg") for key in keys}
    rows = [("4,05679E+12", keys[0], "keep"), ("4,05679E+12", keys[1], "reject"), ("02. Jan", "1-2", "force")]
    lines = "".join(f"{key};on_model{photo}.jpg;{verdict}\n" for key, photo, verdict in rows)
    (tmp_path / "decisions.csv").write_text(f"key;photo;decision\n{lines}")
    decisions = read_decisions(tmp_path, photos)
    assert [decisions.of(key).verdict for key in keys] == ["keep", "reject", "force"]
    write_decisions(decisions, photos, {})
    written = (tmp_path / "decisions.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(";")[0] for line in written] == ["key", *keys]


def test_a_row_of_a_photo_that_is_gone_is_not_taken_for_its_namesakes(tmp_path):
    (tmp_path / "decisions.csv").write_text(
        "key,photo,decision\nA_6,on_model6.jpg,keep\nB_6,on_model6.jpg,\n"
    )
    decisions = read_decisions(tmp_path, {"B_6": Path("B/on_model6.jpg")})
    assert (decisions.of("B_6"), decisions.unknown) == (Decision(), ("A_6",))


@pytest.mark.parametrize(
    ("gone", "new"),
    [("G1", "G3"), ("1", "3"), ("1-2", "1-3"), ("1-2", "1-2-3"), ("red-7", "7"), ("red-7", "blue-7")],
)
def test_a_row_of_a_photo_that_is_gone_is_not_that_of_a_new_photo_of_its_name(tmp_path, gone, new):
    (tmp_path / "decisions.csv").write_text(f"key,photo,decision\n{gone},model.jpg,keep\n")
    decisions = read_decisions(tmp_path, {new: Path(f"{new}/model.jpg")})
    assert (decisions.of(new), decisions.unknown) == (Decision(), (gone,))


def test_a_spoilt_key_beside_a_file_name_of_several_rows_is_unknown(tmp_path):
    rows = "02. Jan,model.jpg,keep\n01. Feb,model.jpg,reject\n"
    (tmp_path / "decisions.csv").write_text(f"key,photo,decision\n{rows}")
    decisions = read_decisions(tmp_path, {"2-1": Path("model.jpg")})
    assert decisions.unknown == ("02. Jan", "01. Feb")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("4.05679E+12", "4056789012345"),
        ("4E+12", "4056789012345"),
        ("1,20E+06", "12E5"),
        ("7", "007"),
        ("02. Jan", "1-2"),
        ("13. Mai", "13.5"),
        ("Jan 24", "2024-01"),
        ("2-janv.", "2/1"),
        ("03.02.2001", "3-2-01"),
    ],
)
def test_a_spoilt_key_is_recognised_by_its_photo(tmp_path, text, key):
    (tmp_path / "decisions.csv").write_text(f'key,photo,decision\n"{text}",model.jpg,keep\n')
    assert read_decisions(tmp_path, {key: Path("model.jpg")}).of(key).verdict == "keep"


def test_a_file_name_that_several_photos_have_means_none_of_them():
    photos = {"A_6": Path("A/on_model6.jpg"), "B_6": Path("B/on_model6.jpg")}
    with pytest.raises(UsageError, match="several photos; did you mean A_6, B_6"):
        named_keys(["on_model6.jpg"], photos)


def test_a_file_name_means_its_photo_in_both_unicode_forms():
    composed, split = (unicodedata.normalize(form, "caf\u00e9.jpg") for form in ("NFC", "NFD"))
    for typed, stored in ((composed, split), (split, composed)):
        assert named_keys([typed], {"1": Path(stored)}) == ["1"]
        with pytest.raises(UsageError, match=f"did you mean {composed}"):
            named_keys([f"{typed}x"], {"1": Path(stored)})


@pytest.mark.parametrize(
    "text", ["52; -10; 31", "52,-10,31", "52 -10 31", "52,0; -10,0; 31,0", "52, -10, 31"]
)
def test_a_target_is_read_as_people_write_it(tmp_path, text):
    (tmp_path / "decisions.csv").write_text(f'key,target_lab\n7,"{text}"\n')
    assert read_decisions(tmp_path, {"7": Path("7.jpg")}).of("7").target_lab == (52.0, -10.0, 31.0)


def test_a_mask_is_named_as_windows_and_macos_write_it(tmp_path):
    (tmp_path / "m\u00e4sks").mkdir()
    (tmp_path / "m\u00e4sks" / "7.png").touch()
    (tmp_path / "decisions.csv").write_text("key,mask\n7,ma\u0308sks\\7.png\n", encoding="utf-8")
    assert read_decisions(tmp_path, {"7": Path("7.jpg")}).of("7").mask == tmp_path / "m\u00e4sks" / "7.png"


@pytest.mark.parametrize("text", ["0,8", "80%", "80 %", "80,0%"])
def test_a_strength_is_read_as_spreadsheets_write_it(tmp_path, text):
    (tmp_path / "decisions.csv").write_text(f"key;strength\n7;{text}\n")
    assert read_decisions(tmp_path, {"7": Path("7.jpg")}).of("7").strength == 0.8


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("7,perhaps,,", "decision 'perhaps' is not known"),
        ("7,,much,", "strength 'much' is not a number"),
        ("7,,3,", "strength 3 is not between 0 and 1.5"),
        ("7,,,none.png", "mask 'none.png' does not exist"),
        (f"7,,,{300 * 'n'}.png", "does not exist"),
        ("7,keep,,\n7,force,,", "a second decision about '7'"),
    ],
)
def test_what_cannot_be_understood_names_its_line(tmp_path, row, said):
    (tmp_path / "decisions.csv").write_text(f"key,decision,strength,mask\n{row}\n")
    with pytest.raises(UnsoundError) as caught:
        read_decisions(tmp_path, {"7": Path("7.jpg")})
    assert said in str(caught.value.findings[0])
    assert "line " in caught.value.findings[0].where


def test_every_cell_that_cannot_be_understood_is_a_finding(tmp_path):
    (tmp_path / "decisions.csv").write_text("key,decision,strength,target_lab\n7,acept,x,red\n8,,2,101;0;0\n")
    with pytest.raises(UnsoundError) as caught:
        read_decisions(tmp_path, {"7": Path("7.jpg"), "8": Path("8.jpg")})
    said = [
        "decision 'acept' is not known",
        "strength 'x' is not a number",
        "target_lab 'red' is not three numbers",
        "strength 2 is not between 0 and 1.5",
        "target 101,0,0 is not a Lab colour: L is 0 to 100, a and b -128 to 128",
    ]
    assert [finding.message for finding in caught.value.findings] == said


def test_a_decision_overrules_the_run():
    of_run = CorrectionOptions(strength=0.8, min_gain=2)
    assert Decision().options(of_run) == of_run
    options = Decision("force", strength=1.2, target_lab=(50, 0, 0)).options(of_run)
    assert (options.force, options.strength, options.min_gain) == (True, 1.2, 2)
    assert options.target_lab == (50, 0, 0)

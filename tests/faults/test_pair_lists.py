"""Pair lists as spreadsheets and people write them: read, or refused line by line, never half understood."""

import pytest

from chromiq.dataset_builder.inputs.pairs import find_pairs


@pytest.fixture
def listed(two_photos, tmp_path):
    """What a list of two sound pairs gives, written as these bytes."""
    for number in (1, 2):
        for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
            (tmp_path / f"{role}{number}.jpg").write_bytes(data)
            (tmp_path / f"été-{role}{number}.jpg").write_bytes(data)

    def find(data):
        (tmp_path / "pairs.csv").write_bytes(data)
        listing = find_pairs(tmp_path / "pairs.csv")
        errors = [finding for finding in listing.findings if finding.severity == "error"]
        return [(pair.key, pair.garment) for pair in listing.pairs], errors

    return find


HEAD = b"still_life,on_model,garment\n"
FIRST = b"still-life1.jpg,on_model1.jpg"
ACCENTS = "still_life;on_model;garment\nété-still-life1.jpg;été-on_model1.jpg;blouse à pois\n"
READABLE = {
    "mark": (b"\xef\xbb\xbf" + HEAD + FIRST + b",shirt\n", [("1", "shirt")]),
    "quotes": (HEAD.replace(b"\n", b"\r\n") + FIRST + b',"a ""red"" top"\r\n\r\n', [("1", 'a "red" top')]),
    "blanks": (HEAD + FIRST + b",\nstill-life2.jpg, on_model2.jpg ,", [("1", None), ("2", None)]),
    "commas": (HEAD + FIRST + b",shirt,,\n", [("1", "shirt")]),
    "twice": (HEAD + FIRST + b",shirt\n" + FIRST + b",shirt\n", [("1", "shirt")]),
    "order": (b"key,on_model,still_life\nb,on_model1.jpg,still-life1.jpg\n", [("b", None)]),
    "semicolons": ((HEAD + FIRST + b",shirt\n").replace(b",", b";"), [("1", "shirt")]),
    "tabs": ((HEAD + FIRST + b",shirt\n").replace(b",", b"\t"), [("1", "shirt")]),
    "sep=": (b"sep=;\r\n" + (HEAD + FIRST + b",a, b\n").replace(b",", b";", 4), [("1", "a, b")]),
    "column names": (b"Still-life;On model\r\n" + FIRST.replace(b",", b";"), [("1", None)]),
    "utf-16": ((HEAD + FIRST).decode().encode("utf-16"), [("1", None)]),
    "utf-16 without mark": ((HEAD + FIRST).decode().replace(",", "\t").encode("utf-16-le"), [("1", None)]),
    "cp1252": (ACCENTS.encode("cp1252"), [("été-still-life1", "blouse à pois")]),
    "utf-8 with accents": (ACCENTS.encode("utf-8-sig"), [("été-still-life1", "blouse à pois")]),
    "old mac": ((HEAD + FIRST + b",a\n").replace(b"\n", b"\r"), [("1", "a")]),
}


@pytest.mark.parametrize(("data", "pairs"), READABLE.values(), ids=READABLE)
def test_read(listed, data, pairs):
    assert listed(data) == (pairs, [])


REFUSED = {
    "commas": (HEAD + FIRST + b",red, long dress\n", "csv.row", "more fields than columns: long dress"),
    "newline": (HEAD + FIRST + b',"two\nlines"\n', "csv.row", "'two\\nlines'"),
    "two words": (HEAD + FIRST + b",a\n" + FIRST + b",b\n", "pair.name_taken", "still-life1.jpg"),
    "short": (HEAD + b"still-life1.jpg\n", "csv.row", "no on_model photo"),
    "same": (HEAD + b"still-life1.jpg,still-life1.jpg\n", "csv.row", "the same photo"),
    "null": (HEAD + b"still-life1.jpg,a\0.jpg\n", "csv.row", "a null byte"),
    "quote": (HEAD + b'"still-life1.jpg,on_model1.jpg\n', "csv.unreadable", "unexpected end of data"),
    "columns": (b"a,b\n" + FIRST, "csv.columns", "the first line has a, b"),
    "twice": (b"still_life,on_model,On-model\na,b,c\n", "csv.twice", "several columns are called on_model"),
    "workbook": (b"PK\x03\x04" + bytes(60), "csv.unreadable", "an Excel or OpenDocument workbook"),
    "bytes": (HEAD + b"\x81\x8d\n", "csv.unreadable", "not text in UTF-8, UTF-16 or Windows-1252"),
    "empty": (b"", "csv.columns", "the first line has nothing"),
}


@pytest.mark.parametrize(("data", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(listed, data, code, message):
    _, errors = listed(data)
    assert [finding.code for finding in errors] == [code]
    assert message in str(errors[0])


def test_a_faulty_line_is_named_by_its_number(listed):
    _, (error,) = listed(b"sep=,\n" + HEAD + FIRST + b",\n\nstill-life2.jpg,,\n")
    assert error.where == "pairs.csv, line 5"


def test_a_key_that_is_changed_for_file_names_is_a_warning(listed, tmp_path):
    pairs, errors = listed(b"key,still_life,on_model\nhd-exp+.5," + FIRST + b"\n")
    assert (pairs, errors) == ([("hd-exp_.5", None)], [])
    listing = find_pairs(tmp_path / "pairs.csv")
    (warning,) = (finding for finding in listing.findings if finding.code == "csv.key")
    assert warning.message == "1 key is changed for use in file names: 'hd-exp+.5' becomes 'hd-exp_.5'"


def test_no_more_lines_are_read_than_allowed(listed, monkeypatch):
    monkeypatch.setattr("chromiq.csv_tables.MAX_CSV_ROWS", 2)
    pairs, errors = listed(HEAD + FIRST + b",\nstill-life2.jpg,on_model2.jpg,\n")
    assert pairs == [("1", None)]
    assert [finding.code for finding in errors] == ["csv.long"]


def test_lines_that_share_a_still_life_are_named_after_their_on_model_photos(listed):
    pairs, errors = listed(HEAD + FIRST + b",\nstill-life1.jpg,on_model2.jpg,\n")
    assert ([key for key, _ in pairs], errors) == (["on_model1", "on_model2"], [])

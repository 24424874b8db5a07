"""What is shown of a photo is what its file holds."""

import csv
import errno
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import pyvips
from PIL import Image
from studio_client import client_of, finish, until

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.correction.results import read_run, write_run
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.files import folder_lock
from chromiq.photos.colour_space import named_space
from chromiq.photos.images import encode_lossless, read_photo, vips_image, write_mask, write_photo
from chromiq.studio import jobs, previews
from chromiq.studio.previews import BoundedCache, Previews

P3 = named_space("Display P3", "test")


def pixels(data):
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def noise(height_px, width_px, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


def write_p3(path, rgb):
    image = vips_image(rgb)
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", P3.profile)
    path.write_bytes(encode_lossless(image, "PNG"))


def test_a_preview_is_the_file_pixel_for_pixel(made_shoot):
    client, address = client_of(made_shoot)
    for role, name in (
        ("still_life", "photos/still-life1"),
        ("before", "photos/on_model1"),
        ("after", "corrected/on_model1"),
    ):
        shown = pixels(client.get(f"{address}/picture/1/{role}").content)
        assert np.array_equal(shown, read_photo(made_shoot / f"{name}.jpg").values)


def test_a_preview_of_display_p3_has_its_numbers_and_its_profile(tmp_path):
    rgb = noise(60, 50)
    write_p3(tmp_path / "p3.png", rgb)
    shown = Previews().preview(tmp_path / "p3.png")
    assert np.array_equal(pixels(shown), rgb)
    assert Image.open(io.BytesIO(shown)).info["icc_profile"] == P3.profile


def test_sixteen_bits_are_rounded(tmp_path):
    values = np.random.default_rng(1).integers(0, 65536, (40, 30, 3)).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(encode_lossless(vips_image(values), "PNG"))
    assert np.abs(pixels(Previews().preview(tmp_path / "deep.png")) - values / 257).max() <= 0.5


def test_a_large_photo_is_shown_small_and_in_tiles_of_its_own_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(previews, "TILE_PX", 64)
    rgb = noise(150, 200)
    (tmp_path / "large.png").write_bytes(encode_lossless(vips_image(rgb), "PNG"))
    shown = Previews()
    small = pixels(shown.preview(tmp_path / "large.png", most_px=5000))
    assert 4500 < small.shape[0] * small.shape[1] <= 5000
    assert np.array_equal(pixels(shown.tile(tmp_path / "large.png", 1, 1)), rgb[64:128, 64:128])
    assert np.array_equal(pixels(shown.tile(tmp_path / "large.png", 3, 2)), rgb[128:, 192:])
    for place in ((4, 0), (0, 3), (-1, 0)):
        with pytest.raises(IndexError):
            shown.tile(tmp_path / "large.png", *place)


def test_the_outline_is_that_of_the_mask(made_shoot):
    client, address = client_of(made_shoot)
    answer = client.get(f"{address}/outline/1/photo.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert 'viewBox="0 0 224 280"' in answer.text
    assert answer.text.count("<path") == 2


def test_the_eyedropper_reads_the_files_colour(shoot):
    client, address = client_of(shoot)
    lab = client.get(f"{address}/colour/1/still_life", params={"x": 1, "y": 1}).json()["lab"]
    corner = read_photo(shoot / "photos" / "still-life1.jpg").values[:7, :7].reshape(-1, 3).mean(axis=0)
    assert lab[0] == pytest.approx(100 * corner[1] / 255, abs=4)
    assert client.get(f"{address}/colour/1/still_life", params={"x": 900, "y": 1}).status_code == 404
    assert client.get(f"{address}/colour/1/still_life", params={"x": "nan", "y": 1}).status_code == 400


def test_a_live_correction_agrees_with_the_file(page):
    client, address = page
    before = pixels(client.get(f"{address}/picture/1/before").content).astype(int)
    whole = client.get(f"{address}/live/1", params={"force": 1, "target_lab": "50,40,-20"})
    half = client.get(f"{address}/live/1", params={"force": 1, "target_lab": "50,40,-20", "strength": 0.5})
    none = client.get(f"{address}/live/1", params={"force": 1, "strength": 0})
    assert np.array_equal(pixels(none.content), before)
    moved = [np.abs(pixels(answer.content) - before).sum() for answer in (half, whole)]
    assert 0 < moved[0] < moved[1]
    figures = json.loads(whole.headers["chromiq-figures"])
    assert figures["colours"]["delta_e_after"] < 1 < figures["colours"]["delta_e_before"]
    client.post(f"{address}/decision/1", json={"decision": "force", "target_lab": [50, 40, -20]})
    finish(client, address)
    after = pixels(client.get(f"{address}/picture/1/after").content).astype(int)
    assert np.abs(after - pixels(whole.content)).mean() < 1.5  # a JPEG


def test_a_live_correction_by_an_edited_mask_agrees_with_the_file(page, shoot):
    client, address = page
    mask = np.zeros((280, 224), bool)
    mask[80:160, 70:150] = True
    write_mask(shoot / "corrected" / "garment_masks" / "on_model1.png", mask)
    live = pixels(client.get(f"{address}/live/1", params={"force": 1, "target_lab": "50,40,-20"}).content)
    before = pixels(client.get(f"{address}/picture/1/before").content)
    np.testing.assert_array_equal(live[~mask], before[~mask])
    assert (live[mask] != before[mask]).any(axis=1).mean() > 0.99
    client.post(f"{address}/decision/1", json={"decision": "force", "target_lab": [50, 40, -20]})
    finish(client, address)
    after = pixels(client.get(f"{address}/picture/1/after").content).astype(int)
    assert np.abs(after - live).mean() < 1.5  # a JPEG


def test_a_live_correction_says_what_is_wrong(shoot):
    client, address = client_of(shoot)
    write_mask(shoot / "corrected" / "garment_masks" / "on_model1.png", np.zeros((280, 224), bool))
    answer = client.get(f"{address}/live/1")
    assert answer.status_code == 422
    assert "shows no garment" in answer.json()["error"]
    assert client.get(f"{address}/live/1", params={"strength": 7}).status_code == 400


def test_photos_outside_the_folders_are_not_shown(shoot, tmp_path):
    client, address = client_of(shoot)
    secret = shoot / "photos" / "on_model1.jpg"
    secret.unlink()
    (tmp_path / "secret.jpg").write_bytes((shoot / "photos" / "on_model2.jpg").read_bytes())
    secret.symlink_to(tmp_path / "secret.jpg")
    assert client.get(f"{address}/picture/1/before").status_code == 403
    assert client.get(f"{address}/tile/1/before/0/0").status_code == 403
    assert client.get(f"{address}/live/1").status_code == 403
    shown = client.get(f"{address}/photo/1")
    assert f"The photos lie in {shoot / 'photos'}, which is not open" in shown.text


@pytest.mark.parametrize(
    "path", ["picture/9/before", "picture/1/../after", "picture/1/other", "tile/1/after/9/9", "thumbnail/1/x"]
)
def test_what_is_not_listed_is_not_there(made_shoot, path):
    client, address = client_of(made_shoot)
    assert client.get(f"{address}/{path}").status_code == 404


def test_a_cache_keeps_what_was_used_last_and_no_more_than_its_bound():
    cache, made = BoundedCache(10, len), []

    def of(key):
        return cache.get(key, lambda: made.append(key) or key * 4)

    for key in "abaca":
        assert of(key) == key * 4
    assert made == ["a", "b", "c"]
    of("b")
    assert made == ["a", "b", "c", "b"]


def rows(shoot):
    text = (shoot / "corrected" / "decisions.csv").read_text(encoding="utf-8-sig")
    return {row["key"]: row for row in csv.DictReader(text.splitlines())}


def test_a_report_too_long_to_write_each_time_is_not_claimed_to_be_new(shoot, page, monkeypatch):
    monkeypatch.setattr(jobs, "_MOST_REPORTED", 2)
    client, address = page
    before = (shoot / "corrected" / "report.html").read_bytes()
    client.post(f"{address}/decision/1", json={"decision": "keep"})
    assert "report.html still shows the state before" in finish(client, address)["message"]
    assert (shoot / "corrected" / "report.html").read_bytes() == before


def test_results_of_a_lora_say_that_the_page_only_decides_about_them(shoot, page):
    client, address = page
    assert "made with a LoRA" not in client.get(f"{address}/photo/1").text
    run = read_run(shoot / "corrected")
    write_run(replace(run, options=replace(run.options, method="hybrid")))
    shown = client.get(f"{address}/photo/1").text
    assert "made with a LoRA (hybrid)" in shown
    answer = client.post(f"{address}/decision/1", json={"decision": "accept"})
    assert answer.json()["decision"] == "accept"


def test_a_fault_of_the_disk_while_a_photo_is_corrected_is_said_in_words(page, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/photos/1.jpg")

    client, address = page
    monkeypatch.setattr(jobs, "map_in_processes", full)
    client.post(f"{address}/decision/1", json={"decision": "reject"})
    said = "cannot read or write: No space left on device. Check permissions and free space."
    assert finish(client, address)["message"] == f"/photos/1.jpg: {said}"


def test_what_the_page_decides_the_command_keeps(shoot, page):
    client, address = page
    answer = client.post(f"{address}/decision/1", json={"decision": "reject", "note": "sleeve\n=too red"})
    decided = [answer.json()[name] for name in ("state", "decision", "note")]
    assert decided == ["rejected", "reject", "sleeve =too red"]
    client.post(f"{address}/decision/2", json={"decision": "accept"})
    finish(client, address)
    result = correct_batch(BatchInputs(shoot / "photos"), shoot / "corrected", ClassicSegmenter())
    assert [done.decision for done in result.corrections] == ["reject", "accept", ""]
    assert (rows(shoot)["1"]["decision"], rows(shoot)["1"]["note"]) == ("reject", "sleeve =too red")
    assert (shoot / "corrected" / "on_model1.jpg").read_bytes() == (
        shoot / "photos" / "on_model1.jpg"
    ).read_bytes()


def test_what_was_written_in_a_spreadsheet_is_shown_and_kept(shoot, page):
    client, address = page
    path = shoot / "corrected" / "decisions.csv"
    path.write_text("key;decision;strength;price\n1;Accept;0,50;12\n", encoding="utf-8")
    assert client.post(f"{address}/decision/2", json={"strength": 0.8}).json()["decision"] == ""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[1].startswith("1;Accept;0,50;12;")
    assert lines[2].startswith("2;;0.8;")


@pytest.mark.parametrize(
    "wishes",
    [
        {"decision": "burn"},
        {"strength": 9},
        {"strength": "much"},
        {"target_lab": [1, 2]},
        {"mask": "/etc/x"},
        {"target_lab": [500, 0, 0]},
    ],
)
def test_what_cannot_be_decided_is_refused_and_nothing_is_written(shoot, page, wishes):
    client, address = page
    before = (shoot / "corrected" / "decisions.csv").read_bytes()
    answer = client.post(f"{address}/decision/1", json=wishes)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert (shoot / "corrected" / "decisions.csv").read_bytes() == before


def test_a_command_at_work_is_answered_by_the_same_lock(shoot, page):
    client, address = page
    with folder_lock(shoot / "corrected", "chromiq correct"):
        answer = client.post(f"{address}/decision/1", json={"decision": "accept"})
    assert answer.status_code == 423
    assert "chromiq correct" in answer.json()["error"]
    assert client.post(f"{address}/decision/1", json={"decision": "accept"}).status_code == 200


def test_a_rejected_photo_is_delivered_as_it_came_and_accepting_brings_the_correction_back(shoot, page):
    client, address = page
    delivered, original = shoot / "corrected" / "on_model1.jpg", shoot / "photos" / "on_model1.jpg"
    red = np.clip(read_photo(original).rgb * np.array([1.2, 1, 0.9]), 0, 255).astype(np.uint8)
    write_photo(original, red)
    client.post(f"{address}/decision/1", json={"decision": "force"})
    assert finish(client, address)["done"] == 1
    corrected = delivered.read_bytes()
    assert corrected != original.read_bytes()
    client.post(f"{address}/decision/1", json={"decision": "reject"})
    finish(client, address)
    assert delivered.read_bytes() == original.read_bytes()
    client.post(f"{address}/decision/1", json={"decision": "accept"})
    finish(client, address)
    assert delivered.read_bytes() == corrected
    correct_batch(BatchInputs(shoot / "photos"), shoot / "corrected", ClassicSegmenter())
    assert delivered.read_bytes() == corrected
    assert (rows(shoot)["1"]["result"], rows(shoot)["2"]["result"]) == ("accepted", "left alone")


def test_another_tab_takes_over_the_strength_and_the_target(page):
    client, address = page
    state = client.get(f"{address}/states").json()["photos"]["1"]
    assert (state["strength"], state["target_lab"]) == (1.0, None)
    client.post(f"{address}/decision/1", json={"strength": 0.5, "target_lab": [50, 40, -20]})
    state = client.get(f"{address}/states").json()["photos"]["1"]
    assert (state["strength"], state["target_lab"]) == (0.5, [50, 40, -20])


@pytest.mark.parametrize("name", ["on_model1.jpg", "still-life1.jpg"])
def test_a_photo_that_is_gone_is_reported_and_the_next_one_can_be_opened(shoot, name):
    client, address = client_of(shoot)
    (shoot / "photos" / name).unlink()
    shown = client.get(f"{address}/photo/1")
    assert shown.status_code == 200
    assert f"{name}: it cannot be read: no such file" in shown.text
    assert 'rel="next"' in shown.text or 'rel="prev"' in shown.text
    (shoot / "photos" / name).write_bytes(b"half a photo")
    assert client.get(f"{address}/photo/1").status_code == 200


def test_another_strength_takes_an_acceptance_back(shoot, page):
    client, address = page
    client.post(f"{address}/decision/1", json={"decision": "accept"})
    answer = client.post(f"{address}/decision/1", json={"strength": 0.5}).json()
    assert answer["decision"] == ""
    finish(client, address)


def test_a_file_changed_by_hand_is_recognised_and_kept_until_it_is_to_be_replaced(shoot, page):
    client, address = page
    delivered = shoot / "corrected" / "on_model2.jpg"
    work = (shoot / "photos" / "on_model3.jpg").read_bytes()
    delivered.write_bytes(work)
    assert client.get(f"{address}/states").json()["photos"]["2"]["state"] == "changed by hand"
    client.post(f"{address}/decision/2", json={"decision": "force"})
    finish(client, address)
    assert delivered.read_bytes() == work
    client.post(f"{address}/decision/2", json={"redo": True})
    finish(client, address)
    assert delivered.read_bytes() != work


def test_background_work_waits_for_a_command(shoot, page, monkeypatch):
    monkeypatch.undo()  # in a process of its own, as the studio does
    client, address = page
    client.post(f"{address}/decision/1", json={"decision": "accept"})
    with folder_lock(shoot / "corrected", "chromiq correct"):
        client.app.state.jobs.request(read_run(shoot / "corrected"), ["1"], redo=True)
        until(lambda: "waiting: " in client.get(f"{address}/states").json()["job"]["message"])
    assert finish(client, address)["message"] == ""

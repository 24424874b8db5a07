"""Files that are no sound photo: each is named with its fault, before decoding where that can be."""

import importlib.util
import io
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import ROOT

from chromiq.dataset_builder.doctor.dataset import check_dataset
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.photos.colour_space import srgb_profile
from chromiq.photos.images import photo_size_wh, read_mask, read_photo
from chromiq.photos.reader import MAX_PIXELS, PhotoFile
from chromiq.photos.soundness import inspect_photo, verify_photo
from chromiq.toolkit_configs.checks.data import mask_shares


def png(width_px, height_px, data=b""):
    """A PNG of any size by its header, whatever its data."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    body = zlib.compress(data)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def saved(image, image_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format=image_format, **options)
    return buffer.getvalue()


def grey(size_wh=(120, 150), mode="RGB"):
    return Image.new(mode, size_wh, 128 if mode in {"L", "P"} else None)


FAULTY = {
    "empty.jpg": (b"", "photo.empty"),
    "text.jpg": (b"not a photo at all", "photo.unreadable"),
    "magic.jpg": (b"\xff\xd8\xff\xe0" + bytes(100), "photo.unreadable"),
    "zero.png": (png(0, 0), "photo.unreadable"),
    "tiny.png": (saved(grey((1, 1)), "PNG"), "photo.small"),
    "huge.png": (png(60_000, 60_000), "photo.large"),
    "bomb.png": (png(14_000, 14_500), "photo.large"),
    "long.png": (png(40_000, 100), "photo.large"),
    "cut.png": (saved(Image.effect_noise((400, 400), 50), "PNG")[:-5000], "photo.truncated"),
    "cut.jpg": (saved(Image.effect_noise((400, 400), 50), "JPEG")[:-5000], "photo.truncated"),
    "profile.png": (saved(grey(), "PNG", icc_profile=b"no profile"), "photo.profile"),
    "other-profile.jpg": (saved(grey(mode="CMYK"), "JPEG", icc_profile=srgb_profile()), "photo.profile"),
    "animated.webp": (
        saved(grey(), "WEBP", save_all=True, append_images=[Image.new("RGB", (120, 150), "red")]),
        "photo.animated",
    ),
}


@pytest.fixture
def faulty(tmp_path):
    for name, (data, _) in FAULTY.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_each_is_named_with_its_fault(name, faulty):
    finding = verify_photo(faulty / name)
    assert finding is not None
    assert finding.code == FAULTY[name][1]
    assert name in str(finding)


@pytest.mark.parametrize("name", ["huge.png", "bomb.png", "long.png", "tiny.png", "zero.png"])
def test_the_header_is_enough_for_sizes(name, faulty, monkeypatch):
    monkeypatch.setattr(PhotoFile, "decode", lambda self, least_wh=None: pytest.fail("decoded"))
    assert inspect_photo(faulty / name) is not None


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_size_that_is_said_to_be_allowed_is(tmp_path):
    side_px = int(MAX_PIXELS**0.5)
    for more_px, wanted in ((0, None), (1, "photo.large")):
        (tmp_path / "a.png").write_bytes(png(side_px + more_px, side_px + more_px))
        finding = inspect_photo(tmp_path / "a.png")
        assert (finding and finding.code) == wanted
        assert finding is None or f"{MAX_PIXELS // 1_000_000} megapixels" in finding.wanted


def test_a_folder_of_them_names_all_in_one_go(tmp_path):
    for number, (data, _) in enumerate(FAULTY.values()):
        suffix = list(FAULTY)[number].rsplit(".", 1)[1]
        (tmp_path / f"still-life{number}.{suffix}").write_bytes(data)
        (tmp_path / f"on_model{number}.png").write_bytes(saved(grey(), "PNG"))
    listing = find_pairs(tmp_path, decode=True)
    assert not listing.pairs
    assert sorted(finding.code for finding in listing.findings) == sorted(code for _, code in FAULTY.values())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the most memory held")
def test_memory_stays_under_a_gigabyte_on_bombs(faulty):
    """In a process of its own, whose ru_maxrss would also tell of the one that started it."""
    code = (
        "import sys; from pathlib import Path; from chromiq.photos.soundness import verify_photo\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()): print(path.name, verify_photo(path).code)\n"
        "status = Path('/proc/self/status').read_text().split()\n"
        "print(status[status.index('VmHWM:') + 1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(faulty)], capture_output=True, text=True, check=True
    )
    *reported, most_kb = done.stdout.splitlines()
    assert len(reported) == len(FAULTY)
    assert int(most_kb) < 1_000_000


def test_an_exif_block_that_promises_too_much_does_no_harm(tmp_path):
    """An offset beyond the end and a count of four thousand million: the photo is still a photo."""
    body = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1)
    body += struct.pack("<HHII", 0x010E, 2, 0xFFFFFFFF, 0xFFFFFF00) + bytes(4)
    (tmp_path / "exif.jpg").write_bytes(saved(grey(), "JPEG", exif=b"Exif\0\0" + body))
    assert verify_photo(tmp_path / "exif.jpg") is None
    assert read_photo(tmp_path / "exif.jpg").rgb.shape == (150, 120, 3)


def test_odd_but_sound_photos_are_read(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (80, 90, 3), np.uint8)
    image = Image.fromarray(pixels)
    image.quantize(16).save(tmp_path / "palette.png")
    image.quantize(16).save(tmp_path / "palette-profile.png", icc_profile=srgb_profile())
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    image.convert("L").save(tmp_path / "grey.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    clear = Image.new("RGBA", (90, 80), (10, 20, 30, 0))
    clear.save(tmp_path / "clear.png")
    # Phones write a JPEG with a second picture behind the first, as a preview or a gain map.
    image.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[image])
    for path in tmp_path.iterdir():
        assert verify_photo(path) is None, path.name
        assert read_photo(path).rgb.shape == (80, 90, 3)
    assert (read_photo(tmp_path / "clear.png").rgb == 255).all()
    assert np.array_equal(read_photo(tmp_path / "sixteen.png").rgb[..., 0], pixels[..., 0])


def test_what_is_no_file_is_neither_opened_nor_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    for path in tmp_path.iterdir():
        finding = inspect_photo(path)
        assert (finding.code, finding.got) == ("photo.missing", "not a file"), path.name
        assert mask_shares(tmp_path) == []


# Each at the start of a file that is called .jpg.
@pytest.mark.parametrize(
    ("start", "named"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n", "PostScript"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "HEIC"),
        (saved(grey(), "GIF"), "GIF"),
        (saved(grey(), "PPM"), "Netpbm"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_other_formats_are_named_and_never_handed_to_another_program(start, named, tmp_path, monkeypatch):
    """Pillow would start Ghostscript for PostScript, whatever the file is called."""
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: True)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    (tmp_path / "a.jpg").write_bytes(start)
    for finding in (inspect_photo(tmp_path / "a.jpg"), verify_photo(tmp_path / "a.jpg")):
        assert finding.code == "photo.unreadable"
        assert named in finding.got
        assert "Export" in finding.hint


def test_numbers_that_no_camera_writes_are_refused_instead_of_read_as_black(tmp_path):
    for name, values in (("a.tif", np.float32(0.5)), ("b.tif", np.int32(2_000_000))):
        Image.fromarray(np.full((80, 90), values)).save(tmp_path / name)
        assert inspect_photo(tmp_path / name).code == "photo.depth"


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    """Six bombs a little under the limit would be 3.5 GB to threads that take one each."""
    for number in range(3):
        for role in ("still-life", "on_model"):
            grey((200, 200)).save(tmp_path / f"{role}{number}.png")
    monkeypatch.setattr("chromiq.photos.soundness._LARGE_PIXELS", 200 * 200 - 1)
    at_work, most = [], []
    decode = PhotoFile.decode

    def watched(photo, **options):
        at_work.append(photo)
        most.append(len(at_work))
        time.sleep(0.01)
        at_work.pop()
        return decode(photo, **options)

    monkeypatch.setattr(PhotoFile, "decode", watched)
    assert len(find_pairs(tmp_path, decode=True).pairs) == 3
    assert len(most) >= 6
    assert max(most) == 1


@pytest.mark.parametrize("orientation", [*range(1, 9), 99])
def test_a_turned_photo_with_a_profile_is_as_large_as_it_is_read(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    image = Image.new("RGB", (120, 80), "red")
    image.paste("blue", (0, 0, 40, 30))
    image.save(path, exif=exif, icc_profile=srgb_profile(), quality=98, subsampling=0)
    rgb = read_photo(path).rgb
    assert photo_size_wh(path) == rgb.shape[1::-1] == ((80, 120) if 5 <= orientation <= 8 else (120, 80))
    # EXIF 2.32, tag 0x0112: where row 0 and column 0 of the file are on what is seen.
    top = orientation not in {3, 4, 7, 8}
    left = orientation not in {2, 3, 6, 7}
    corner = rgb[5 if top else -5, 5 if left else -5]
    assert corner[2] > 200 > corner[0]


def test_a_mask_painted_on_nothing_is_what_was_painted(tmp_path):
    painted = np.zeros((80, 90), np.uint8)
    painted[20:50, 30:70] = 255
    white_on_nothing = np.dstack([np.full((80, 90, 3), 255, np.uint8), painted])
    Image.fromarray(white_on_nothing).save(tmp_path / "alpha.png")
    Image.fromarray(painted).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(painted).convert("1").save(tmp_path / "bit.png")
    Image.fromarray(painted.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for path in tmp_path.iterdir():
        assert np.array_equal(read_mask(path), painted > 0), path.name


@pytest.mark.timeout(60)
def test_a_dataset_may_hold_pipes_and_devices(dataset):
    for folder, name in (("gt", "pair7.jpg"), ("masks", "pair2.png"), ("control", "pair3.jpg")):
        (dataset / folder / name).unlink(missing_ok=True)
        os.mkfifo(dataset / folder / name)
    caption = dataset / "gt" / "pair1.txt"
    caption.unlink()
    caption.symlink_to("/dev/zero")
    codes = {finding.code for finding in check_dataset(dataset)}
    assert {"photo.missing", "caption.missing"} <= codes


def test_mutated_photos_are_read_or_refused(tmp_path):
    """A few of what ``benchmarks/fuzz_photos.py`` does by the hundred thousand."""
    spec = importlib.util.spec_from_file_location("fuzz_photos", ROOT / "benchmarks" / "fuzz_photos.py")
    fuzz_photos = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz_photos)
    seeds, work = tmp_path / "seeds", tmp_path / "work"
    seeds.mkdir()
    work.mkdir()
    fuzz_photos.make_seeds(seeds)
    outcomes, _ = fuzz_photos.fuzz(sorted(seeds.iterdir()), 150, 3, work, kept=work)
    assert not outcomes["FAILED"]
    assert outcomes["written"] > 10
    assert outcomes["photo.truncated"] > 10
    assert sum(outcomes.values()) == 150

"""Files that are no sound photo: each is named with its fault, before decoding where that can be."""

import io
import resource
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from chromiq.images import inspect_photo, read_photo, verify_photo
from chromiq.profiles import srgb_profile
from dataset_builder.pairs import find_pairs


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
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert inspect_photo(faulty / name) is not None


def test_a_folder_of_them_names_all_in_one_go(tmp_path):
    for number, (data, _) in enumerate(FAULTY.values()):
        suffix = list(FAULTY)[number].rsplit(".", 1)[1]
        (tmp_path / f"still-life{number}.{suffix}").write_bytes(data)
        (tmp_path / f"on_model{number}.png").write_bytes(saved(grey(), "PNG"))
    listing = find_pairs(tmp_path, decode=True)
    assert not listing.pairs
    assert sorted(finding.code for finding in listing.findings) == sorted(code for _, code in FAULTY.values())


def test_memory_stays_small_on_bombs(faulty):
    """In a process of its own that may take 1 GB of memory in all."""
    code = (
        "import sys; from pathlib import Path; from chromiq.images import verify_photo\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()): print(path.name, verify_photo(path).code)"
    )
    limit = 2_000_000_000  # of addresses, of which the libraries take about half without using them

    def bounded():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", code, str(faulty)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=bounded,
    )
    assert len(done.stdout.splitlines()) == len(FAULTY)


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

"""Photos as other programs write them, corrected by the command line and judged by other programs.

    python benchmarks/photo_faults.py

Each case is a drawn pair whose on-model garment was moved in Lab by (-8, +18, -14), stored in a way that once
broke `chromiq correct` or `chromiq build`. `tifffile`, Pillow, OpenCV, cjpeg and exiftool make the files and
read the results. A case is ``ok`` if the garment's mean CIEDE2000 falls below a third and the rest holds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "correction")]

import foreign_photos as foreign  # noqa: E402
from test_photo_formats import ADOBE_RGB, adobe, only_a2b  # noqa: E402

from chromiq.colour import delta_e_lab, delta_e_map, lab_to_srgb_float, srgb_to_lab  # noqa: E402
from chromiq.photos.colour_space import SRGB, icc_space  # noqa: E402
from chromiq.sample_catalogue.catalogue import draw_pair  # noqa: E402

PAIR = draw_pair(1, size_wh=(400, 500))
MASK = PAIR.on_model_mask
INNER = cv2.erode(MASK.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
FAR = cv2.dilate(MASK.astype(np.uint8), np.ones((65, 65), np.uint8)) == 0
OFF = PAIR.on_model.copy()
_MOVED = lab_to_srgb_float(srgb_to_lab(OFF[MASK]) + np.float32([-8, 18, -14]))
OFF[MASK] = np.rint(np.clip(_MOVED, 0, 1) * 255)
DEEP = OFF.astype(np.uint16) * 257
_MOST_LEFT = 1 / 3


@dataclass(frozen=True)
class Run:
    """What a command did.

    Attributes:
        folder: where its files are.
        source: the on-model photo.
        out: the corrected photo.
        code: exit status.
        document: its JSON; empty if it printed none.
        errors: its standard error.
    """

    folder: Path
    source: Path
    out: Path
    code: int
    document: dict[str, Any]
    errors: str

    @property
    def correction(self) -> dict[str, Any]:
        """The first correction."""
        found: dict[str, Any] = (self.document.get("corrections") or [{}])[0]
        return found

    @property
    def said(self) -> str:
        """All findings and warnings as one text."""
        findings = [*self.document.get("findings", []), *self.correction.get("warnings", ())]
        return "; ".join(f"{each['message']}" for each in findings)


def _no_complaint(_: Run) -> str:
    return ""


@dataclass(frozen=True)
class Fault:
    """A case.

    Attributes:
        number: in the list.
        name: the input.
        file: its name.
        make: writes it.
        check: what is wrong with the run beside its pixels; empty if nothing.
        decode: the result as upright 8-bit sRGB, by another program; None to skip it.
        decoders_apart: by how many levels two decoders of the source differ.
    """

    number: str
    name: str
    file: str
    make: Callable[[Path], None]
    check: Callable[[Run], str] = _no_complaint
    decode: Callable[[Path], np.ndarray] | None = None
    decoders_apart: int = 0


def chromiq(folder: Path, *arguments: object) -> tuple[int, dict[str, Any], str]:
    """The command line in its own process: exit status, JSON and standard error."""
    command = [str(Path(sys.executable).with_name("chromiq")), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        document = {}
    return done.returncode, document, done.stderr


def write_pair(folder: Path, fault: Fault) -> Path:
    """The case's photos and mask."""
    Image.fromarray(PAIR.still_life).save(folder / "still-life.png")
    Image.fromarray(MASK.astype(np.uint8) * 255).save(folder / "mask.png")
    source = folder / fault.file
    fault.make(source)
    return source


def corrected(folder: Path, fault: Fault) -> Run:
    """The case after ``chromiq correct``."""
    source = write_pair(folder, fault)
    out = folder / f"out{source.suffix if source.suffix != '.avif' else '.png'}"
    arguments = ("correct", folder / "still-life.png", source, "--out", out, "--mask", folder / "mask.png")
    code, document, errors = chromiq(folder, *arguments)
    return Run(folder, source, out, code, document, errors)


def upright(pixels: np.ndarray, orientation: int = 1) -> np.ndarray:
    """Stored pixels as 8-bit upright RGB."""
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    back = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    return foreign.stored(pixels, back)[..., :3]


def by_tifffile(orientation: int = 1) -> Callable[[Path], np.ndarray]:
    """Decodes a TIFF's first picture."""

    def decode(path: Path) -> np.ndarray:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            pixels = page.asarray()
            assert int(page.tags[274].value if 274 in page.tags else 1) == orientation
            return upright(np.moveaxis(pixels, 0, -1) if page.planarconfig == 2 else pixels, orientation)

    return decode


def by_pillow(path: Path) -> np.ndarray:
    """Decodes what Pillow knows; a profile is applied."""
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        rgb = image.convert("RGB")
    if profile:
        import io

        srgb = ImageCms.createProfile("sRGB")
        rgb = ImageCms.profileToProfile(rgb, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb)
    return np.asarray(rgb)


def tags(path: Path) -> dict[str, Any]:
    """Everything that exiftool finds."""
    found: dict[str, Any] = json.loads(foreign.ran(foreign.tool("exiftool"), "-j", "-a", "-G1", path))[0]
    return found


cjpeg = partial(foreign.cjpeg, pixels=OFF, quality=95)
tiff = partial(foreign.tiff, OFF)
two_images = partial(foreign.two_images, pixels=OFF, quality=95, subsampling=0)
gain_map = partial(foreign.gain_map, pixels=OFF, quality=95, subsampling=0)


def turned(orientation: int, pixels: np.ndarray = OFF, **options: object) -> Callable[[Path], None]:
    """A TIFF whose pixels are stored turned."""
    extra = [(274, "H", 1, orientation, True)]
    return foreign.tiff(foreign.stored(pixels, orientation), extratags=extra, **options)


def warned(text: str) -> Callable[[Run], str]:
    """Whether a text is among the warnings and findings."""
    return lambda run: "" if text in run.said else f"does not say {text!r}"


def judged(fault: Fault, run: Run) -> str:
    """``"ok"`` and the figures, or what is wrong."""
    if "Traceback" in run.errors:
        return "traceback: " + run.errors.strip().splitlines()[-1]
    if not run.document:
        return f"exit {run.code}, no JSON"
    if not run.correction.get("applied"):
        return f"exit {run.code}, not corrected: {run.correction.get('reason') or run.said}"
    wrong = fault.check(run)
    if fault.decode is None:
        return wrong or "ok"
    after, before = fault.decode(run.out), fault.decode(run.source)
    if after.shape != PAIR.on_model.shape:
        return f"result is {after.shape}"
    was, is_now = (float(delta_e_map(rgb, PAIR.on_model)[INNER].mean()) for rgb in (before, after))
    off = np.abs(after[FAR].astype(int) - before[FAR])
    promise = run.correction["outside"]
    figures = f"dE00 {was:.1f} to {is_now:.1f}, outside off by {off.max()}, {off.mean():.2f} in the mean"
    if is_now > was * _MOST_LEFT:
        wrong = wrong or "not corrected enough"
    if off.mean() > 1.5 or (
        off.max(initial=0) > fault.decoders_apart and ("pixel" in promise or "JPEG block" in promise)
    ):
        wrong = wrong or "outside changed"
    return f"{wrong or 'ok'} ({figures})"


def compression(name: str) -> Callable[[Run], str]:
    """Whether a TIFF's compression is kept, and its size about what it was."""

    def check(run: Run) -> str:
        with tifffile.TiffFile(run.out) as file:
            kept = file.pages[0].compression.name
        ratio = run.out.stat().st_size / run.source.stat().st_size
        if kept != name:
            return f"compression {name} became {kept}"
        return "" if ratio < 1.5 else f"{ratio:.1f} times the size"

    return check


def sampling(run: Run) -> str:
    """Whether each component of a JPEG is sampled as before."""
    layers = []
    for path in (run.source, run.out):
        with Image.open(path) as image:
            layers.append([layer[:3] for layer in image.layer])
    return "" if layers[0] == layers[1] else f"sampling {layers[0]} became {layers[1]}"


def kept_tags(*names: str) -> Callable[[Run], str]:
    """Whether exiftool finds the same values of tags in the result, or the result names what was dropped."""

    def check(run: Run) -> str:
        before, after = tags(run.source), tags(run.out)
        assert set(names) <= before.keys(), set(names) - before.keys()
        lost = [name for name in names if before[name] != after.get(name)]
        said = " ".join(run.correction["metadata_dropped"])
        unsaid = [name for name in lost if name.split(":")[0].split("-")[0] not in said]
        return f"loses {', '.join(unsaid)} without a word" if unsaid else ""

    return check


def no_old_pictures(run: Run) -> str:
    """Whether thumbnails, previews, gain maps and secondary images are gone with their tags."""
    old = {
        "IFD1:ThumbnailImage",
        "Photoshop:PhotoshopThumbnail",
        "XMP-hdrgm:GainMapMax",
        "XMP-xmp:ThumbnailsImage",
        "MPF0:NumberOfImages",
        "MPImage1:MPImageStart",
        "SubIFD:ImageWidth",
    }
    found = sorted(old & tags(run.out).keys())
    if found:
        return f"keeps {', '.join(found)}"
    return "" if run.correction["metadata_dropped"] else "names nothing that was dropped"


# Beyond sRGB, and inside it: what the second keeps of the same error is not due to the gamut.
BEYOND_SRGB, INSIDE_SRGB = (61, -88, 45), (61, -50, 35)


def painted_pair(dtype: type, colour: tuple[int, int, int], profile: bytes | None) -> Callable[[Path], None]:
    """TIFFs of a garment of one Lab colour, in Adobe RGB or sRGB; the still-life beside it is written too."""
    space = icc_space(profile, "rgb") if profile else SRGB
    target, full = np.float32(colour), np.iinfo(dtype).max

    def painted(rgb: np.ndarray, mask: np.ndarray, lab: np.ndarray) -> np.ndarray:
        encoded = adobe(rgb) if profile else rgb
        values = (encoded.astype(np.float64) / 255 * full).round().astype(dtype)
        luminance = srgb_to_lab(rgb[mask])[:, :1]
        shaded = lab + (luminance - luminance.mean()) * np.float32([0.2, 0, 0])
        values[mask] = np.rint(space.from_lab(shaded, np.dtype(dtype))[0])
        return values

    def make(path: Path) -> None:
        still_life = painted(PAIR.still_life, PAIR.still_life_mask, target)
        off = painted(PAIR.on_model, MASK, target + np.float32([-9, 10, 8]))
        truth = painted(PAIR.on_model, MASK, target)
        for name, values in (("still-life.png", still_life), (path.name, off), ("truth", truth)):
            file = path.with_name(name)
            tifffile.imwrite(file, values, photometric="rgb", **({"iccprofile": profile} if profile else {}))

    return make


def distance(profile: bytes | None) -> Callable[[Run], str]:
    """The mean dE00 from the truth before and after, in the photo's own space."""
    space = icc_space(profile, "rgb") if profile else SRGB

    def check(run: Run) -> str:
        before, after, truth = (
            space.to_lab(tifffile.imread(path)[INNER]) for path in (run.source, run.out, run.folder / "truth")
        )
        level = np.concatenate([truth[:, :1], after[:, 1:]], axis=1)
        was, now, chroma = (float(delta_e_lab(lab, truth).mean()) for lab in (before, after, level))
        found = f"dE00 {was:.2f} to {now:.2f}, without lightness {chroma:.2f}"
        return f"{'ok' if now < 2.5 else 'over 2.5'} ({found})"

    return check


def _metadata_tiff(path: Path, pixels: np.ndarray, **options: object) -> None:
    extra = [
        (700, "B", len(foreign.XMP), foreign.XMP, True),
        (33723, "B", len(foreign.IPTC), foreign.IPTC, True),
        (34377, "B", len(foreign.PHOTOSHOP), foreign.PHOTOSHOP, True),
    ]
    foreign.tiff(pixels, resolution=(300, 300), resolutionunit=2, extratags=extra, **options)(path)
    foreign.exiftool(path, "-Make=Camera", "-ISO=100", "-GPSLatitude=10.5", "-GPSLatitudeRef=N")


def _with_exif(path: Path, make: Callable[[Path], None], *options: str) -> None:
    make(path)
    foreign.exiftool(path, *options)


def _camera_adobe(path: Path) -> None:
    Image.fromarray(adobe(OFF)).save(path, quality=97, subsampling=0)
    foreign.exiftool(path, "-ColorSpace=Uncalibrated", "-InteropIndex=R03")


def _thumbnails(path: Path) -> None:
    cjpeg("-sample", "1x1")(path)
    foreign.add_thumbnail(path, OFF, "-Make=Camera")
    path.write_bytes(
        foreign.after_first_segment(path.read_bytes(), foreign.photoshop_segment(foreign.PHOTOSHOP))
    )


def _motion(path: Path) -> None:
    cjpeg()(path)
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + bytes(5000))


def _cmyk(path: Path, *, app14: bool) -> None:
    Image.fromarray(OFF).convert("CMYK").save(path, quality=97)
    if not app14:
        foreign.without_app14(path)


def _avif(path: Path) -> None:
    Image.fromarray(OFF).save(path, "AVIF", quality=97, subsampling="4:4:4")


_PLANES = {"planarconfig": "separate"}
_SCANNER = only_a2b()
_TIFF_TAGS = ("IFD0:XResolution", "IFD0:Make", "ExifIFD:ISO", "GPS:GPSLatitude", "IPTC:Caption-Abstract")
_TIFF_TAGS += ("XMP-dc:Creator",)

FAULTS = [
    *(
        Fault("1", f"8-bit TIFF, orientation {way}", "a.tif", turned(way), decode=by_tifffile(way))
        for way in (2, 3, 4, 5, 6, 7, 8)
    ),
    *(
        Fault("1", f"16-bit TIFF, orientation {way}", "a.tif", turned(way, DEEP), decode=by_tifffile(way))
        for way in (3, 6, 8)
    ),
    Fault(
        "2",
        "16-bit TIFF, separate planes, LZW",
        "a.tif",
        foreign.tiff(np.moveaxis(DEEP, -1, 0), compression="lzw", **_PLANES),
        decode=by_tifffile(),
    ),
    Fault(
        "2",
        "16-bit TIFF, separate planes, uncompressed",
        "a.tif",
        foreign.tiff(np.moveaxis(DEEP, -1, 0), **_PLANES),
        decode=by_tifffile(),
    ),
    *(
        Fault(
            "3",
            f"8-bit TIFF, {code}, EXIF and GPS",
            "a.tif",
            lambda path, code=code: _with_exif(
                path, tiff(compression=code), "-Make=Camera", "-GPSLatitude=10", "-GPSLatitudeRef=N"
            ),
            kept_tags("IFD0:Make", "GPS:GPSLatitude"),
            by_tifffile(),
        )
        for code in ("lzw", "zlib")
    ),
    Fault(
        "4",
        "TIFF with a profile that can only be read",
        "a.tif",
        tiff(iccprofile=_SCANNER),
        warned("no transform from Lab"),
        by_tifffile(),
    ),
    Fault(
        "4",
        "JPEG with a profile that can only be read",
        "a.jpg",
        lambda path: Image.fromarray(OFF).save(path, quality=97, subsampling=0, icc_profile=_SCANNER),
        warned("no transform from Lab"),
        lambda path: np.asarray(Image.open(path)),
    ),
    Fault(
        "4",
        "PNG with a profile that can only be read",
        "a.png",
        lambda path: Image.fromarray(OFF).save(path, icc_profile=_SCANNER),
        warned("no transform from Lab"),
        lambda path: np.asarray(Image.open(path).convert("RGB")),
    ),
    Fault(
        "5",
        "camera JPEG, Adobe RGB by EXIF alone",
        "a.jpg",
        _camera_adobe,
        kept_tags("InteropIFD:InteropIndex"),
    ),
    *(
        Fault("6", name, "a.tif", painted_pair(dtype, colour, profile), distance(profile))
        for name, dtype, colour, profile in (
            ("8-bit Adobe RGB TIFF, garment beyond sRGB", np.uint8, BEYOND_SRGB, ADOBE_RGB),
            ("16-bit Adobe RGB TIFF, garment beyond sRGB", np.uint16, BEYOND_SRGB, ADOBE_RGB),
            ("16-bit Adobe RGB TIFF, garment inside sRGB, same error", np.uint16, INSIDE_SRGB, ADOBE_RGB),
            ("16-bit sRGB TIFF, the same garment", np.uint16, INSIDE_SRGB, None),
        )
    ),
    Fault(
        "8",
        "JPEG with EXIF and Photoshop thumbnails",
        "a.jpg",
        _thumbnails,
        no_old_pictures,
        foreign.by_djpeg,
    ),
    Fault("9", "two-image MPO", "a.jpg", two_images, no_old_pictures, foreign.by_djpeg),
    Fault("9", "Ultra HDR JPEG with a gain map", "a.jpg", gain_map, no_old_pictures, foreign.by_djpeg),
    Fault("9", "motion photo", "a.jpg", _motion, no_old_pictures, foreign.by_djpeg),
    Fault(
        "10",
        "16-bit TIFF, all metadata",
        "a.tif",
        lambda path: _metadata_tiff(path, DEEP, compression="zlib"),
        kept_tags(*_TIFF_TAGS),
        by_tifffile(),
    ),
    Fault(
        "10",
        "8-bit TIFF, all metadata",
        "a.tif",
        lambda path: _metadata_tiff(path, OFF, compression="lzw"),
        kept_tags(*_TIFF_TAGS),
        by_tifffile(),
    ),
    Fault(
        "10",
        "WebP with XMP",
        "a.webp",
        lambda path: Image.fromarray(OFF).save(path, lossless=True, xmp=foreign.XMP),
        kept_tags("XMP-dc:Creator"),
        by_pillow,
    ),
    Fault(
        "21",
        "CMYK JPEG without a profile",
        "a.jpg",
        lambda path: _cmyk(path, app14=True),
        warned("plain formula"),
        by_pillow,
    ),
    Fault("21", "CMYK JPEG without APP14", "a.jpg", lambda path: _cmyk(path, app14=False), warned("CMYK")),
    *(
        Fault(
            "22", f"JPEG, sampling {factors}", "a.jpg", cjpeg("-sample", factors), sampling, foreign.by_djpeg
        )
        for factors in ("1x2", "4x1", "4x2", "2x1", "2x2", "1x1")
    ),
    Fault("22", "JPEG stored as RGB", "a.jpg", cjpeg("-rgb"), sampling, foreign.by_djpeg),
    Fault(
        "23",
        "TIFF with a reduced picture behind it",
        "a.tif",
        partial(foreign.two_directories, pixels=OFF),
        lambda run: "" if run.correction["metadata_dropped"] else "does not name the preview",
        by_tifffile(),
    ),
    *(
        Fault(
            "24",
            f"{depth}-bit TIFF, {name}",
            "a.tif",
            foreign.tiff(pixels, compression=code),
            compression(name),
            by_tifffile(),
        )
        for depth, pixels, code, name in (
            (16, DEEP, "zstd", "ZSTD"),
            (16, DEEP, "lzma", "LZMA"),
            (8, OFF, "zstd", "ZSTD"),
            (8, OFF, "lzma", "LZMA"),
            (8, OFF, "packbits", "PACKBITS"),
            (8, OFF, "jpeg", "JPEG"),
        )
    ),
    Fault("25", "arithmetic-coded JPEG", "a.jpg", cjpeg("-arithmetic"), decode=foreign.by_djpeg),
    Fault("28", "AVIF", "a.avif", _avif, decode=by_pillow, decoders_apart=1),
    Fault("28", "AVIF named .jpg", "a.jpg", _avif),
]


def turned_mask(folder: Path) -> str:
    """1: a mask as uncompressed grey TIFF of orientation 6."""
    fault = Fault("1", "", "a.png", lambda path: Image.fromarray(OFF).save(path), decode=by_pillow)
    source = write_pair(folder, fault)
    grey = foreign.stored(MASK.astype(np.uint8) * 255, 6)
    tifffile.imwrite(folder / "mask.tif", grey, extratags=[(274, "H", 1, 6, True)])
    arguments = (
        folder / "still-life.png",
        source,
        "--out",
        folder / "out.png",
        "--mask",
        folder / "mask.tif",
    )
    code, document, errors = chromiq(folder, "correct", *arguments)
    return judged(fault, Run(folder, source, folder / "out.png", code, document, errors))


def batch_warnings(folder: Path) -> str:
    """17: a batch of .jfif and untagged photos."""
    for number, suffix in ((1, "jfif"), (2, "jpg")):
        for name, rgb in (("still-life", PAIR.still_life), ("on_model", OFF)):
            Image.fromarray(rgb).save(folder / f"{name}{number}.{suffix}", "JPEG", quality=95)
    code, document, _ = chromiq(folder, "correct", "--batch", folder, "--out", folder.parent / "results")
    names = sorted(Path(each["out"]).name for each in document.get("corrections", []))
    said = " ".join(each["message"] for each in document.get("findings", []))
    wrong = [] if names == ["on_model1.jfif", "on_model2.jpg"] else [f"exit {code}, results {names}"]
    return (
        "; ".join([*wrong, *([] if "no colour profile" in said else ["untagged photos are not mentioned"])])
        or "ok"
    )


def csv_lists(folder: Path) -> str:
    """26: CSV with semicolons or tabs, in UTF-16 and cp1252."""
    Image.fromarray(PAIR.still_life).save(folder / "flat é.png")
    Image.fromarray(OFF).save(folder / "worn é.png")
    rows = [("still_life", "on_model", "garment"), ("flat é.png", "worn é.png", "chemise")]
    wrong = []
    for separator in ",;\t":
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
            text = "\r\n".join(separator.join(row) for row in rows) + "\r\n"
            (folder / "list.csv").write_bytes(text.encode(encoding))
            code, document, _ = chromiq(folder, "correct", "--batch", folder / "list.csv", "--dry-run")
            if code or len(document.get("pairs", [])) != 1:
                wrong.append(f"{separator!r} in {encoding}: exit {code}, {document.get('findings')}")
    return "; ".join(wrong) or "ok"


def grey_garments(folder: Path) -> str:
    """27: a grey still-life beside a coloured garment, and the reverse."""
    grey = [
        np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) for rgb in (PAIR.still_life, OFF)
    ]
    reasons = []
    for flat, worn in ((grey[0], OFF), (PAIR.still_life, grey[1])):
        fault = Fault("27", "", "a.png", lambda path, worn=worn: Image.fromarray(worn).save(path))
        source = write_pair(folder, fault)
        Image.fromarray(flat).save(folder / "still-life.png")
        out = folder / "out.png"
        arguments = (folder / "still-life.png", source, "--out", out, "--mask", folder / "mask.png")
        _, document, _ = chromiq(folder, "correct", *arguments)
        done = (document.get("corrections") or [{}])[0]
        if done.get("answer") != "left_alone":
            return f"{done.get('answer')}: {done.get('reason')}"
        reasons.append(done["reason"])
    return f"ok ({'; '.join(reasons)})"


OTHERS = {
    ("1", "mask as grey TIFF, orientation 6"): turned_mask,
    ("17", "batch of .jfif and untagged photos"): batch_warnings,
    ("26", "CSV with semicolons or tabs; UTF-16, cp1252"): csv_lists,
    ("27", "grey still-life, coloured garment; the reverse"): grey_garments,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="number of a fault in the list")
    options = parser.parse_args()
    print("| # | input | outcome |\n|---|---|---|")
    jobs = [
        (fault.number, fault.name, lambda f, fault=fault: judged(fault, corrected(f, fault)))
        for fault in FAULTS
    ]
    jobs += [(number, name, check) for (number, name), check in OTHERS.items()]
    for number, name, job in sorted(jobs, key=lambda each: int(each[0])):
        if options.only and options.only != number:
            continue
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "photos"
            folder.mkdir()
            print(f"| {number} | {name} | {job(folder)} |", flush=True)


if __name__ == "__main__":
    main()

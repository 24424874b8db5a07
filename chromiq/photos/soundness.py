"""Whether a file is a photo that can be used: judged by its header, then by decoding all of it.

Nothing is decoded before its size is known, and only formats of photos are: Pillow knows others, one of
which it hands to a program (PostScript, to Ghostscript).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from PIL import Image, ImageCms, UnidentifiedImageError

from chromiq.errors import Finding, UnsoundError
from chromiq.photos.profiles import parsed_profile

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
MIN_SIDE_PX = 64
MAX_PIXELS = 175_000_000  # a little less than where Pillow takes a picture for an attack
MAX_SIDE_PX = 32_000
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")  # a JPEG may turn out to be an MPO
_DEPTHS = {"I": "32-bit integers", "F": "floating-point values, whose white nobody knows"}
# By what stands at the start of the file, after as many bytes.
_OTHER_KINDS = (
    (4, b"ftyp", "a HEIC or AVIF picture"),
    (0, b"GIF8", "a GIF"),
    (0, b"%!PS", "a PostScript page"),
    (0, b"%PDF", "a PDF"),
    (0, b"8BPS", "a Photoshop file"),
)
# As PNG's chunks gAMA and cHRM say it: white, red, green and blue in x and y of CIE 1931.
_SRGB_GAMMA, _SRGB_PRIMARIES = 0.45455, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_SAME_SPACE_WITHIN = 0.01
# A few of these at once, decoded to four bytes a pixel, would be more memory than a machine has.
_LARGE_PIXELS = 50_000_000
_one_large_at_a_time = threading.Lock()


@contextmanager
def sound_photo(
    path: Path, min_side_px: int = MIN_SIDE_PX, *, for_colour: bool = False
) -> Iterator[Image.Image]:
    """Open a photo that is sound as far as its header tells; what goes wrong with it after is told too.

    Args:
        path: the file.
        min_side_px: the shortest side that is taken.
        for_colour: refuse also what says without a profile that its colours are others than sRGB's; of no
            concern in a mask.

    Raises:
        UnsoundError: with one `Finding`, before the block runs, if there is any by its header, or by what its
            decoder complains of in the block.
    """
    finding = _file_finding(path)
    with ExitStack() as stack:
        if finding is None:
            try:
                image = stack.enter_context(Image.open(path, formats=_FORMATS))
                finding = _header_finding(path, image, min_side_px) or (
                    _space_finding(path, image) if for_colour else None
                )
            except Image.DecompressionBombError as error:
                finding = _too_large(path, f"'{error}'")
            except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
                reason = _kind_of(path) if isinstance(error, UnidentifiedImageError) else f"'{error}'"
                wanted, cure = "a JPEG, PNG, WebP or TIFF photo", "replace it by one, exported anew"
                finding = Finding.expected("photo.unreadable", str(path), wanted, reason, cure)
        if finding is not None:
            raise UnsoundError(str(finding), [finding])
        with _told_as_findings(path):
            yield image


@contextmanager
def decoding(path: Path) -> Iterator[Image.Image]:
    """Open a picture that was judged before; what its decoder complains of in the block is a finding."""
    with _told_as_findings(path), Image.open(path, formats=_FORMATS) as image:
        yield image


def inspect_photo(path: Path, *, min_side_px: int = MIN_SIDE_PX) -> Finding | None:
    """What is wrong with a photo as far as its header tells, or None. Decodes no pixels."""
    try:
        with sound_photo(path, min_side_px):
            return None
    except UnsoundError as error:
        return error.findings[0]


def verify_photo(path: Path) -> Finding | None:
    """What is wrong with a photo once all of it is decoded, or None."""
    try:
        with sound_photo(path, for_colour=True) as image, _turn_of(image):
            # A JPEG is decoded at an eighth of its size: all its data is read, little is computed.
            image.draft(None, (image.width // 8, image.height // 8))
            image.load()
            profile = image.info.get("icc_profile")
            if profile:
                parsed_profile(profile, image.mode)
    except UnsoundError as error:
        return error.findings[0]
    return None


@contextmanager
def _told_as_findings(path: Path) -> Iterator[None]:
    try:
        yield
    except ImageCms.PyCMSError as error:
        finding = _profile_finding(path, error)
        raise UnsoundError(str(finding), [finding]) from error
    except (OSError, SyntaxError, ValueError) as error:
        finding = _truncated_finding(path, error)
        raise UnsoundError(str(finding), [finding]) from error


def _file_finding(path: Path) -> Finding | None:
    try:
        # A pipe or a device would be waited for, or read for ever.
        missing = None if path.is_file() else "no file" if path.exists() else "no such file"
    except OSError as error:  # such as a name that is too long
        missing = f"'{error.strerror}'"
    if missing:
        return Finding.expected("photo.missing", str(path)[:300], "a photo", missing, "check the path")
    if path.stat().st_size == 0:
        return Finding.expected("photo.empty", str(path), "a photo", "an empty file", "copy it again")
    return None


def _header_finding(path: Path, image: Image.Image, min_side_px: int) -> Finding | None:
    # A phone's JPEG may hold a preview or a gain map behind the photo; only the first counts.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    size = f"{image.width}x{image.height}"
    if max(image.size) > MAX_SIDE_PX or image.width * image.height > MAX_PIXELS:
        return _too_large(path, size)
    if min(image.size) < min_side_px:
        return Finding.expected(
            "photo.small", str(path), f"at least {min_side_px} px a side", size, "use the original photo"
        )
    if frames > 1:
        return Finding.expected(
            "photo.animated", str(path), "one picture", f"{frames} frames", "export one frame"
        )
    if depth := _DEPTHS.get(image.mode):
        return Finding.expected(
            "photo.depth", str(path), "8 or 16 bits a channel", depth, "export it with 16 bits"
        )
    return None


def _space_finding(path: Path, image: Image.Image) -> Finding | None:
    space = _other_space(image)
    wanted, cure = "sRGB, or an ICC profile that says otherwise", "export it with its profile"
    return Finding.expected("photo.space", str(path), wanted, space, cure) if space else None


def _other_space(image: Image.Image) -> str | None:
    """What a PNG without a profile says of its colours if they are not those of sRGB, else None."""
    told = image.info
    gamma, primaries = told.get("gamma", 0), told.get("chromaticity", (0,))
    if image.format != "PNG" or "icc_profile" in told or "srgb" in told:
        return None
    if gamma > 0 and abs(gamma - _SRGB_GAMMA) > _SAME_SPACE_WITHIN:
        return f"a PNG of gamma {gamma:g}"
    far = any(abs(a - b) > _SAME_SPACE_WITHIN for a, b in zip(primaries, _SRGB_PRIMARIES, strict=False))
    return "a PNG with primaries of another space" if all(primaries) and far else None


def _turn_of(image: Image.Image) -> AbstractContextManager[object]:
    """Held while a picture is decoded: several threads check photos, and large ones wait for each other."""
    return _one_large_at_a_time if image.width * image.height > _LARGE_PIXELS else nullcontext()


def _too_large(path: Path, got: str) -> Finding:
    return Finding.expected(
        "photo.large",
        str(path),
        f"at most {MAX_SIDE_PX} px a side and {MAX_PIXELS // 1_000_000} megapixels",
        got,
        "scale it down",
    )


def _profile_finding(path: Path, error: Exception) -> Finding:
    return Finding.expected(
        "photo.profile", str(path), "a readable ICC profile", f"'{error}'", "export it again as sRGB"
    )


def _truncated_finding(path: Path, error: Exception) -> Finding:
    return Finding.expected(
        "photo.truncated", str(path), "a whole image", f"'{error}'", "copy or export it again"
    )


def _kind_of(path: Path) -> str:
    with path.open("rb") as stream:
        start = stream.read(16)
    kinds = (name for at, mark, name in _OTHER_KINDS if start[at:].startswith(mark))
    return next(kinds, "no image")

"""Photos of every format and feature, written by other programs.

A case whose tool is missing is left out by `pytest.skip`. Pixels are drawn, so nothing is stored here.
"""

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from chromiq.sample_catalogue.catalogue import draw_pair

PHOTO = draw_pair(1, size_wh=(96, 120)).on_model
DEEP = (PHOTO.astype(np.uint16) * 257 + np.random.default_rng(0).integers(-120, 120, PHOTO.shape)).clip(
    0, 65535
)
DEEP = DEEP.astype(np.uint16)
HEIGHT_PX, WIDTH_PX = PHOTO.shape[:2]
ALPHA = np.full((HEIGHT_PX, WIDTH_PX), 200, np.uint8)
ALPHA[:20] = 90
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" hdrgm:GainMapMax="2.1" '
    b'dc:creator="a studio"><xmp:Thumbnails><rdf:Alt><rdf:li>OLDCOLOUR</rdf:li></rdf:Alt></xmp:Thumbnails>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def resource(number: int, content: bytes) -> bytes:
    """One of Photoshop's image resources."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


IPTC = b"\x1c\x02\x78\0\x07caption"
CLIPPING_PATH = resource(0x07D0, bytes(26) * 3)
PHOTOSHOP = resource(0x0404, IPTC) + CLIPPING_PATH + resource(0x040C, b"OLDCOLOUR" * 9)


@dataclass(frozen=True)
class Case:
    """One row of the matrix.

    Attributes:
        name: format and feature.
        suffix: of its file.
        make: writes the file.
        decode: an independent decoder's pixels, as they are stored; None if no other decoder knows it.
    """

    name: str
    suffix: str
    make: Callable[[Path], None]
    decode: Callable[[Path], np.ndarray] | None


def tool(name: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}")
    return path


def imagemagick() -> str:
    """The path of ImageMagick's convert; other programs have that name too."""
    convert = tool("convert")
    about = subprocess.run([convert, "-version"], capture_output=True, check=False).stdout
    if not about.startswith(b"Version: ImageMagick"):
        pytest.skip("needs ImageMagick")
    return convert


def ran(*command: object, stdin: bytes | None = None) -> bytes:
    """What a program writes to its standard output."""
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, check=True)
    return done.stdout


def ppm(pixels: np.ndarray) -> bytes:
    """Pixels as a portable pixmap."""
    return f"P6 {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + pixels.tobytes()


def by_pillow(path: Path) -> np.ndarray:
    """Pixels of the first image, by Pillow."""
    with Image.open(path) as image:
        return np.asarray(image)


def by_djpeg(path: Path) -> np.ndarray:
    """Pixels by libjpeg's own program."""
    with Image.open(io.BytesIO(ran(tool("djpeg"), "-pnm", path))) as image:
        return np.asarray(image)


def by_opencv(path: Path) -> np.ndarray:
    """Pixels by OpenCV, as they are stored."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def by_tifffile(path: Path) -> np.ndarray:
    """Pixels by tifffile, planes last."""
    with tifffile.TiffFile(path) as file:
        pixels = file.pages[0].asarray()
        return np.moveaxis(pixels, 0, -1) if file.pages[0].planarconfig == 2 else pixels


def by_libtiff(path: Path) -> np.ndarray:
    """Pixels by libtiff, as libvips calls it."""
    import pyvips

    return pyvips.Image.tiffload(str(path)).numpy()


def by_imagemagick(path: Path) -> np.ndarray:
    """Pixels by ImageMagick at 16 bits; 8-bit values are scaled to 16."""
    data = ran(imagemagick(), "-quiet", f"{path}[0]", "-alpha", "off", "-depth", "16", "rgb:-")
    return np.frombuffer(data, "<u2").reshape(HEIGHT_PX, WIDTH_PX, 3)


def cjpeg(*options: str, quality: int = 92) -> Callable[[Path], None]:
    """A JPEG by libjpeg's own program."""

    def make(path: Path) -> None:
        path.write_bytes(ran(tool("cjpeg"), "-quality", str(quality), *options, stdin=ppm(PHOTO)))

    return make


def segment(number: int, payload: bytes) -> bytes:
    """An application segment of a JPEG."""
    return bytes([0xFF, 0xE0 + number]) + struct.pack(">H", len(payload) + 2) + payload


def after_first_segment(data: bytes, more: bytes) -> bytes:
    """A JPEG with bytes inserted after its first segment, JFIF."""
    at = 4 + int.from_bytes(data[4:6])
    return data[:at] + more + data[at:]


def xmp_segment(packet: bytes) -> bytes:
    """XMP as a segment of a JPEG."""
    return segment(1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def photoshop_segment(resources: bytes) -> bytes:
    """Photoshop's image resources as a segment of a JPEG."""
    return segment(13, b"Photoshop 3.0\0" + resources)


def add_thumbnail(path: Path, pixels: np.ndarray, *options: str) -> None:
    """Write an EXIF thumbnail, and further metadata, with exiftool."""
    thumbnail = path.with_suffix(".thumb.jpg")
    Image.fromarray(pixels[::4, ::4]).save(thumbnail, "JPEG")
    exiftool(path, *options, f"-ThumbnailImage<={thumbnail}")
    thumbnail.unlink()


def without_app14(path: Path) -> None:
    """Remove the Adobe segment of a JPEG."""
    data = path.read_bytes()
    at = data.index(b"\xff\xee")
    path.write_bytes(data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :])


def exiftool(path: Path, *options: str) -> None:
    """Write metadata with exiftool."""
    ran(tool("exiftool"), "-q", "-overwrite_original", *options, path)


def tiff(pixels: np.ndarray = PHOTO, **options: object) -> Callable[[Path], None]:
    """A TIFF by tifffile."""
    return lambda path: tifffile.imwrite(path, pixels, **{"photometric": "rgb", **options})


def pillow(image: Image.Image, **options: object) -> Callable[[Path], None]:
    """A file by Pillow."""
    return lambda path: image.save(path, **options)


def stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Upright pixels in a stored orientation, by the table of the EXIF standard."""
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(undo[orientation](pixels))


def turned_tiff(orientation: int, pixels: np.ndarray = PHOTO) -> Callable[[Path], None]:
    """A TIFF with an orientation."""
    return tiff(stored(pixels, orientation), compression="lzw", extratags=[(274, "H", 1, orientation, True)])


def _documented_tiff(path: Path) -> None:
    extra = [
        (700, "B", len(XMP), XMP, True),
        (33723, "B", len(IPTC), IPTC, True),
        (34377, "B", len(PHOTOSHOP), PHOTOSHOP, True),
        (37724, "B", 400, b"LAYERS!!" * 50, True),
    ]
    tiff(compression="lzw", predictor=True, resolution=(300, 300), resolutionunit=2, extratags=extra)(path)
    exiftool(path, "-Make=Camera", "-ISO=100", "-GPSLatitude=10.5", "-GPSLatitudeRef=N")


def _documented_jpeg(path: Path) -> None:
    cjpeg("-sample", "1x1")(path)
    add_thumbnail(path, PHOTO, "-Make=Camera", "-GPSLatitude=10.5", "-GPSLatitudeRef=N")
    path.write_bytes(after_first_segment(path.read_bytes(), xmp_segment(XMP) + photoshop_segment(PHOTOSHOP)))


def _documented_png(path: Path) -> None:
    from PIL import PngImagePlugin

    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", 6
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Copyright", "a studio")
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    Image.fromarray(stored(PHOTO, 6)).save(path, pnginfo=texts, exif=exif, dpi=(300, 300))


def _documented_webp(path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    Image.fromarray(PHOTO).save(path, lossless=True, exif=exif, xmp=XMP, icc_profile=srgb())


def _filled_jpeg(path: Path) -> None:
    cjpeg()(path)
    data = path.read_bytes()
    at = data.index(b"\xff\xdb")
    path.write_bytes(data[:at] + b"\xff\xff\xff" + data[at:])


def _appended(path: Path) -> None:
    cjpeg()(path)
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + bytes(500))


def _two_images(path: Path) -> None:
    """An MPO, as phones write it."""
    image = Image.fromarray(PHOTO)
    image.save(path, format="MPO", save_all=True, append_images=[image], quality=92)


def _gain_map(path: Path) -> None:
    """A JPEG with a gain map, as Ultra HDR: a second image, and XMP that refers to it."""
    _two_images(path)
    data = path.read_bytes()
    path.write_bytes(data[:2] + xmp_segment(XMP) + data[2:])


def srgb() -> bytes:
    """An sRGB profile by Pillow's Little CMS."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _cmyk_jpeg(path: Path) -> None:
    Image.fromarray(PHOTO).convert("CMYK").save(path, quality=95)


def _cmyk_without_app14(path: Path) -> None:
    _cmyk_jpeg(path)
    without_app14(path)


def _two_directories(path: Path) -> None:
    """A TIFF with a reduced image as second directory."""
    with tifffile.TiffWriter(path) as file:
        file.write(PHOTO, photometric="rgb", compression="zlib")
        file.write(np.ascontiguousarray(PHOTO[::4, ::4]), photometric="rgb", subfiletype=1)


def _sub_directory(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(PHOTO, photometric="rgb", compression="lzw", subifds=1)
        file.write(np.ascontiguousarray(PHOTO[::4, ::4]), photometric="rgb", subfiletype=1)


def _tiffcp(*options: str) -> Callable[[Path], None]:
    """A TIFF by libtiff's own program, which shares JPEG tables and omits the sampling tag."""

    def make(path: Path) -> None:
        plain = path.with_suffix(".plain.tif")
        tiff()(plain)
        ran(tool("tiffcp"), *options, plain, path)
        plain.unlink()

    return make


def _overlong_strip(path: Path) -> None:
    """As written by tificc of Little CMS: the last strip is padded."""
    import zlib

    rows = [PHOTO[:80], np.concatenate([PHOTO[80:], np.zeros((40, WIDTH_PX, 3), np.uint8)])]
    strips = [zlib.compress(np.ascontiguousarray(part).tobytes()) for part in rows]
    tiff(compression=8, rowsperstrip=80)(path)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        end = path.stat().st_size
        tags["StripOffsets"].overwrite((end, end + len(strips[0])))
        tags["StripByteCounts"].overwrite(tuple(len(strip) for strip in strips))
    with path.open("ab") as stream:
        stream.write(b"".join(strips))


def _png_with(kind: bytes, payload: bytes) -> Callable[[Path], None]:
    import zlib

    def make(path: Path) -> None:
        buffer = io.BytesIO()
        Image.fromarray(PHOTO).save(buffer, "PNG")
        data = buffer.getvalue()
        chunk = (
            struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        )
        path.write_bytes(data[:33] + chunk + data[33:])

    return make


def _deep_png(path: Path) -> None:
    cv2.imwrite(str(path), DEEP[..., ::-1])


def _transparent_png(path: Path) -> None:
    buffer = Image.fromarray(PHOTO)
    buffer.save(path, transparency=tuple(int(level) for level in PHOTO[0, 0]))


_DEEP_ALPHA = np.dstack([DEEP, ALPHA.astype(np.uint16) * 257])
_PREMULTIPLIED = np.dstack(
    [np.rint(DEEP * (ALPHA[..., None] / 255)).astype(np.uint16), ALPHA.astype(np.uint16) * 257]
)
_SELECTION = np.dstack([PHOTO, ALPHA])
_PLANES = {"planarconfig": "separate", "photometric": "rgb"}

CASES = [
    Case("JPEG, baseline 4:2:0", ".jpg", cjpeg(), by_djpeg),
    Case("JPEG, progressive", ".jpg", cjpeg("-progressive"), by_djpeg),
    Case("JPEG, arithmetic coding", ".jpg", cjpeg("-arithmetic"), by_djpeg),
    Case("JPEG, restart markers", ".jpg", cjpeg("-restart", "1"), by_djpeg),
    Case("JPEG, 4:4:4", ".jpg", cjpeg("-sample", "1x1"), by_djpeg),
    Case("JPEG, 4:2:2", ".jpg", cjpeg("-sample", "2x1"), by_djpeg),
    Case("JPEG, 4:4:0", ".jpg", cjpeg("-sample", "1x2"), by_djpeg),
    Case("JPEG, 4:1:1", ".jpg", cjpeg("-sample", "4x1"), by_djpeg),
    Case("JPEG, 4:1:0", ".jpg", cjpeg("-sample", "4x2"), by_djpeg),
    Case("JPEG, grey", ".jpg", cjpeg("-grayscale"), by_djpeg),
    Case("JPEG, stored as RGB", ".jpg", cjpeg("-rgb"), by_djpeg),
    Case("JPEG, fill bytes", ".jpg", _filled_jpeg, by_djpeg),
    Case("JPEG, EXIF, GPS, IPTC, XMP, clipping path, thumbnails", ".jpg", _documented_jpeg, by_djpeg),
    Case("JPEG, two images (MPO)", ".jpg", _two_images, by_djpeg),
    Case("JPEG, gain map (Ultra HDR)", ".jpg", _gain_map, by_djpeg),
    Case("JPEG, video after it (motion photo)", ".jpg", _appended, by_djpeg),
    Case("JPEG, CMYK with APP14", ".jpg", _cmyk_jpeg, by_pillow),
    Case("JPEG, CMYK without APP14", ".jpg", _cmyk_without_app14, by_pillow),
    *(
        Case(
            f"TIFF 8 bit, {name}",
            ".tif",
            tiff(compression=code),
            {"zstd": by_pillow, "lzma": by_pillow, "lzw": by_tifffile, "packbits": by_tifffile}.get(
                code, by_libtiff
            ),
        )
        for name, code in (
            ("no compression", None),
            ("LZW", "lzw"),
            ("ZIP", "zlib"),
            ("PackBits", "packbits"),
            ("ZSTD", "zstd"),
            ("LZMA", "lzma"),
            ("JPEG", "jpeg"),
        )
    ),
    *(
        Case(
            f"TIFF 16 bit, {name}",
            ".tif",
            tiff(DEEP, compression=code, predictor=True),
            {"zlib": by_libtiff, "lzw": by_tifffile}.get(code, by_imagemagick),
        )
        for name, code in (
            ("LZW, predictor", "lzw"),
            ("ZIP, predictor", "zlib"),
            ("ZSTD, predictor", "zstd"),
            ("LZMA, predictor", "lzma"),
        )
    ),
    *(
        Case(f"TIFF 8 bit, JPEG, {name}", ".tif", _tiffcp("-c", *options), by_pillow)
        for name, options in (
            ("shared tables, 4:2:0", ("jpeg:92", "-r", "16")),
            ("shared tables, tiles, stored as RGB", ("jpeg:r:92", "-t", "-w", "32", "-l", "32")),
        )
    ),
    Case("TIFF 8 bit, ZIP, last strip padded", ".tif", _overlong_strip, by_pillow),
    Case(
        "TIFF 8 bit, separate planes",
        ".tif",
        tiff(np.moveaxis(PHOTO, -1, 0), compression="lzw", **_PLANES),
        by_tifffile,
    ),
    Case(
        "TIFF 16 bit, separate planes",
        ".tif",
        tiff(np.moveaxis(DEEP, -1, 0), compression="zlib", predictor=True, **_PLANES),
        by_libtiff,
    ),
    Case(
        "TIFF 16 bit, tiles, big-endian",
        ".tif",
        tiff(DEEP, tile=(32, 32), compression="zlib", byteorder=">"),
        by_libtiff,
    ),
    Case("TIFF 16 bit, BigTIFF", ".tif", tiff(DEEP, bigtiff=True), by_libtiff),
    *(
        Case(f"TIFF 8 bit, orientation {number}", ".tif", turned_tiff(number), by_tifffile)
        for number in range(2, 9)
    ),
    Case("TIFF 16 bit, orientation 6", ".tif", turned_tiff(6, DEEP), by_tifffile),
    Case(
        "TIFF 16 bit, alpha",
        ".tif",
        tiff(_DEEP_ALPHA, extrasamples=["unassalpha"], compression="lzw"),
        by_tifffile,
    ),
    Case("TIFF 16 bit, premultiplied alpha", ".tif", tiff(_PREMULTIPLIED, extrasamples=["assocalpha"]), None),
    Case(
        "TIFF 8 bit, saved selection",
        ".tif",
        tiff(_SELECTION, extrasamples=["unspecified"], compression="lzw"),
        by_tifffile,
    ),
    Case("TIFF, EXIF, GPS, IPTC, XMP, clipping path, layers", ".tif", _documented_tiff, by_tifffile),
    Case("TIFF, reduced image as second directory", ".tif", _two_directories, by_libtiff),
    Case("TIFF, reduced image as SubIFD", ".tif", _sub_directory, by_tifffile),
    Case("PNG 8 bit", ".png", pillow(Image.fromarray(PHOTO)), by_opencv),
    Case("PNG 16 bit", ".png", _deep_png, by_opencv),
    Case(
        "PNG, palette",
        ".png",
        pillow(Image.fromarray(PHOTO).quantize(64)),
        lambda path: np.asarray(Image.open(path).convert("RGB")),
    ),
    Case("PNG, alpha", ".png", pillow(Image.fromarray(_SELECTION)), by_opencv),
    Case("PNG, tRNS", ".png", _transparent_png, by_opencv),
    Case("PNG, iCCP", ".png", pillow(Image.fromarray(PHOTO), icc_profile=srgb()), by_opencv),
    Case("PNG, cICP Display P3", ".png", _png_with(b"cICP", bytes([12, 13, 0, 1])), by_opencv),
    Case("PNG, gAMA", ".png", _png_with(b"gAMA", struct.pack(">I", 55556)), by_opencv),
    Case("PNG, background colour", ".png", _png_with(b"bKGD", bytes(6)), by_opencv),
    Case("PNG, eXIf, XMP, texts, orientation 6", ".png", _documented_png, by_opencv),
    Case("WebP, lossless, EXIF, XMP, iCCP", ".webp", _documented_webp, by_pillow),
    Case("WebP, lossy", ".webp", pillow(Image.fromarray(PHOTO), quality=90), by_pillow),
    Case("BMP", ".bmp", pillow(Image.fromarray(PHOTO), dpi=(300, 300)), by_opencv),
]

"""Remove thumbnails and references to secondary images from XMP packets."""

from __future__ import annotations

import re
from bisect import bisect_left

# Namespaces of properties that describe images stored elsewhere in the file.
_NAMESPACES = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": "gain map",
    "http://ns.apple.com/HDRGainMap/1.0/": "gain map",
    "http://ns.google.com/photos/1.0/container/": "index of secondary images",
    "http://ns.google.com/photos/1.0/camera/": "motion photo",
    "http://ns.google.com/photos/1.0/depthmap/": "depth map",
    "http://ns.google.com/photos/1.0/image/": "secondary image",
}
_MAX_PREFIXES = 16


def without_images(packet: bytes) -> tuple[bytes, list[str]]:
    """Remove thumbnails and properties of secondary images from an XMP packet.

    The packet is searched, not parsed: everything else stays byte for byte, and it may not be well-formed.

    Returns:
        The packet and the names of what was removed.
    """
    try:
        text = packet.decode("utf-8")
    except UnicodeDecodeError:
        return packet, []
    bare = _without_elements(text, r"[\w-]+:Thumbnails")
    dropped = ["XMP thumbnails"] if bare != text else []
    for namespace, name in _NAMESPACES.items():
        declared = rf"""xmlns:([\w-]+)\s*=\s*["']{re.escape(namespace)}["']"""
        for prefix in list(dict.fromkeys(re.findall(declared, bare)))[:_MAX_PREFIXES]:
            shorter = _without_properties(bare, rf"{re.escape(prefix)}:[\w-]+")
            dropped += [name] if shorter != bare else []
            bare = shorter
    return _without_properties(bare, r"[\w-]+:HasExtendedXMP").encode("utf-8"), dropped


def _without_properties(text: str, names: str) -> str:
    """Remove the elements and attributes whose names match a pattern."""
    return re.sub(rf"""\s(?:{names})\s*=\s*("[^"]*"|'[^']*')""", "", _without_elements(text, names))


def _without_elements(text: str, names: str) -> str:
    """Remove the elements whose names match a pattern, in linear time, as packets can be 100 MB."""
    ends: dict[str, list[int]] = {}
    for found in re.finditer(rf"</({names})\s*>", text):
        ends.setdefault(found[1], []).append(found.end())
    kept, at = [], 0
    for found in re.finditer(rf"<({names})\b[^<>]*>", text):
        if found.start() < at:
            continue
        end = found.end()
        if not found[0].endswith("/>"):
            later = ends.get(found[1], [])
            number = bisect_left(later, end)
            if number == len(later):
                continue
            end = later[number]
        kept.append(text[at : found.start()])
        at = end
    return "".join([*kept, text[at:]])

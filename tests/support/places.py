"""Where the checkout is, and the real photos beside it that are no part of the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
REAL = SHARED / "real"
REAL2 = SHARED / "real2"

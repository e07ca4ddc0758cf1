"""The GPUs and other accelerators of this machine, by what the system lists; drivers and frameworks are not asked."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress
from pathlib import Path

DEVICES = Path("/sys/bus/pci/devices")
# The numbers of makers, and the classes of display controllers and processing accelerators; see pci.ids.
MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x1ae0": "Google"}
CLASSES = ("0x03", "0x12")
# Of Google's devices, the classes of network and disk controllers: all others are TPUs.
NO_TPU = ("0x01", "0x02")


def accelerators() -> dict[str, int]:
    """Return how many GPUs and TPUs there are of each maker, also those that have no driver here.

    A container sees all of the machine. In a virtual machine, a shared GPU may be another maker's than it is.
    """
    found: dict[str, int] = {}
    for device in DEVICES.glob("*"):
        with suppress(OSError, UnicodeDecodeError):
            maker = MAKERS.get((device / "vendor").read_text(encoding="utf-8").strip())
            kind = (device / "class").read_text(encoding="utf-8").strip()
            if maker == "Google" and not kind.startswith(NO_TPU):
                found["Google TPU"] = found.get("Google TPU", 0) + 1
            elif maker is not None and kind.startswith(CLASSES):
                found[f"{maker} GPU"] = found.get(f"{maker} GPU", 0) + 1
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found["Apple GPU"] = 1
    return dict(sorted(found.items()))

"""Seeds of the target `colour`: small ICC profiles, each behind a byte that says which pixels it is for.

Usage: profiles.py FOLDER [PROFILE...]; the profiles that are named are taken besides.
The layout is that of ICC.1:2010, chapters 7 to 10.
"""

import struct
import sys
from pathlib import Path


def fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def xyz(*values):
    return b"XYZ \0\0\0\0" + fixed(*values)


def gamma(value):
    return b"para\0\0\0\0" + struct.pack(">HH", 0, 0) + fixed(value)


def sampled(count):
    points = (round(65535 * (at / (count - 1)) ** 2) for at in range(count))
    return b"curv\0\0\0\0" + struct.pack(f">I{count}H", count, *points)


def table(inks):
    """A lut8Type of two grid points a side: its corners are the complements of the inks."""
    identity = bytes(range(256))
    corners = bytearray()
    for corner in range(2**inks):
        light = [255 * (1 - (corner >> (inks - 1 - at) & 1)) for at in range(inks)]
        corners += bytes([min(light), 128, 128])
    head = b"mft1\0\0\0\0" + bytes([inks, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return head + identity * inks + bytes(corners) + identity * 3


def profile(space, connection, kind, tags):
    tags = {b"wtpt": xyz(0.9642, 1.0, 0.8249), **tags}
    directory, data = struct.pack(">I", len(tags)), b""
    begin = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        directory += name + struct.pack(">II", begin + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    size = 128 + len(directory) + len(data)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x04300000, kind, space, connection, b"acsp")
    header += bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + directory + data


PRIMARIES = {
    b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
    b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
    b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
}
CURVES = (b"rTRC", b"gTRC", b"bTRC")
SEEDS = [
    (0, profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": gamma(2.2)})),
    (1, profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": sampled(16)})),
    (2, profile(b"RGB ", b"XYZ ", b"mntr", PRIMARIES | dict.fromkeys(CURVES, gamma(2.2)))),
    (3, profile(b"RGB ", b"XYZ ", b"mntr", PRIMARIES | dict.fromkeys(CURVES, sampled(64)))),
    (2, profile(b"RGB ", b"Lab ", b"prtr", {b"A2B0": table(3)})),
    (4, profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": table(4)})),
]


def main():
    folder = Path(sys.argv[1])
    pixels = {b"GRAY": 0, b"RGB ": 2, b"CMYK": 4}
    for number, (choice, data) in enumerate(SEEDS):
        (folder / f"seed-{number}").write_bytes(bytes([choice]) + data)
    for name in sys.argv[2:]:
        data = Path(name).read_bytes()
        (folder / Path(name).stem).write_bytes(bytes([pixels.get(data[16:20], 2)]) + data)


main()

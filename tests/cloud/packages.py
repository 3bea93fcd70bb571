"""Packages for the emulator: as `cargo xtask package` makes them, but built as the tests are, for this machine.

What is deployed is built for the C library of Amazon Linux with every optimisation there is, which takes a quarter of
an hour; `cargo xtask package`, and SAFELIGHT_PACKAGES=target/lambda, have the pipeline run with those. Here the
libraries are the ones that `cargo test --workspace` has built already, so that a function is one crate and one link.
"""

import os
import pathlib
import shutil
import subprocess
import zipfile

import places
from report import Skip


def functions():
    """Names of the functions that are crates."""
    root = places.REPOSITORY / "functions"
    manifests = [*root.glob("*/function.json"), *root.glob("branches/*/branch.json")]
    return sorted(each.parent.name for each in manifests if (each.parent / "Cargo.toml").is_file())


def cargo(*arguments, **environment):
    """Runs cargo in the repository, or says that it cannot."""
    if not shutil.which("cargo"):
        raise Skip("there is no cargo on this machine")
    # As a test of the whole workspace, so that what the other tests were built with is used again.
    return places.run(["cargo", "test", "--quiet", "--workspace", "--features", "safelight/aws", "--no-run", *arguments],
                      cwd=places.REPOSITORY, env={**os.environ, **environment})


def packages():
    """A folder with every function's zip: the one that SAFELIGHT_PACKAGES names, or else they are built."""
    if built := os.environ.get("SAFELIGHT_PACKAGES"):
        return pathlib.Path(built).resolve()
    folder = places.WORK / "packages"
    shutil.rmtree(folder, ignore_errors=True)
    for name in functions():
        # The tests of the crate of all functions have its program built: it is the one that the name says.
        cargo("--test", "capacity", SAFELIGHT_FUNCTION=name)
        place = folder / name
        place.mkdir(parents=True)
        program = place / "bootstrap"
        shutil.copyfile(places.TARGET / "debug" / "bootstrap", program)
        if shutil.which("strip"):
            subprocess.run(["strip", program], check=True)
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(place / "bootstrap.zip", "w", compresslevel=1) as package:
            package.writestr(entry, program.read_bytes(), compresslevel=1)
        program.unlink()
    return folder


def command():
    """The `safelight` that knows AWS: the one that SAFELIGHT_PROGRAM names, or else it is built."""
    if built := os.environ.get("SAFELIGHT_PROGRAM"):
        return pathlib.Path(built).resolve()
    cargo("--test", "arrows")
    return places.TARGET / "debug" / "safelight"

"""`magick.py PROGRAMS time WORK`: WORK with ImageMagick to every file named on standard input, a process a file, as it
is used. PROGRAMS is where it was unpacked, or is empty where the system has it."""
import glob
import json
import os
import resource
import subprocess
import sys

programs, work = sys.argv[1], sys.argv[3]
environment = dict(os.environ, MAGICK_THREAD_LIMIT="1")
prefix = ""
if os.path.isdir(f"{programs}/usr/bin"):
    prefix = f"{programs}/usr/bin/"
    library = f"{programs}/usr/lib"
    folders = [library] + [f"{library}/{name}" for name in os.listdir(library) if "-linux-" in name]
    environment["LD_LIBRARY_PATH"] = ":".join(folders)
    environment["MAGICK_CONFIGURE_PATH"] = f"{programs}/etc/ImageMagick-6"
    # Its formats are modules, which it would look for in the system alone.
    modules = glob.glob(f"{library}/*-linux-*/ImageMagick-6*/modules-Q16/coders")
    if modules:
        environment["MAGICK_CODER_MODULE_PATH"] = os.path.abspath(modules[0])
convert, identify = f"{prefix}convert-im6.q16", f"{prefix}identify-im6.q16"
ARGUMENTS = {
    "half": lambda file: [convert, file, "-auto-orient", "-filter", "Lanczos", "-resize", "50%", "-quality", "85", "jpg:-"],
    "quality80": lambda file: [convert, file, "-auto-orient", "-quality", "80", "jpg:-"],
    "png": lambda file: [convert, file, "png:-"],
    "decode": lambda file: [identify, "-regard-warnings", "-format", "%m %w %h\n", file],
}


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


files = sys.stdin.read().splitlines()
made_bytes = failed = 0
if work == "validate":
    # One process for many, as its users write it.
    for at in range(0, len(files), 500):
        subprocess.run([identify, "-ping", *files[at:at + 500]], env=environment, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
else:
    for file in files:
        try:
            done = subprocess.run(ARGUMENTS[work](file), env=environment, capture_output=True, timeout=60)
            code, out = done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            code, out = -1, b""
        if work == "decode":
            first = out.decode(errors="replace").splitlines()[:1]
            words = first[0].split() if first else []
            ending = {"file": file, "outcome": "ok" if code == 0 and words else "failed"}
            if len(words) == 3:
                ending |= {"format": words[0], "width": int(words[1]), "height": int(words[2])}
            print(json.dumps(ending), flush=True)
        elif code != 0:
            failed += 1
        made_bytes += len(out)
if work != "decode":
    print(json.dumps({"files": len(files), "failed": failed, "bytes": made_bytes, "cpu": cpu()}))

#!/usr/bin/env python3
"""The pipeline on AWS, without an account: `run.py` runs the checks, `run.py pipeline` all of
it with real packages, `run.py compare` measures a function beside the same in Python.

A part that this machine cannot run is named as skipped. Needs Python 3.10 or newer; terraform and its provider for
most of it; makes what else it needs below target/cloud.
"""

import resource
import sys

import checks
import compare
import pipeline
from report import Report

PARTS = {"checks": checks.run, "pipeline": pipeline.run, "compare": compare.run}

# What is run where none is named: the pipeline is a stage of its own, and a comparison wants a quiet machine.
USUAL = ["checks"]


def main(arguments):
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        sys.exit(f"there is no part {unknown[0]}: {', '.join(PARTS)}")
    # The emulator has some files open for each environment of a function; what a shell allows may be 1,024.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = 65_536 if most == resource.RLIM_INFINITY else most
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))
    report = Report()
    for name in arguments or USUAL:
        PARTS[name](report)
    return report.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What was checked, and how it went: one line a check, and a last line that counts them.

A check that could not be made is skipped, by name and with the reason. It never counts as passed.
"""

import sys
import time
import traceback


class Skip(Exception):
    """Why a check could not be made."""


class Report:
    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []

    def check(self, name, function, *arguments):
        """Runs a check; answers what it answers, or None if it did not pass."""
        begun = time.monotonic()
        try:
            answer = function(*arguments)
        except Skip as why:
            self.skip(name, why)
            return None
        except Exception as error:  # pylint: disable=broad-except
            self.failed.append(name)
            print(f"FAILED  {name}: {error}")
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            sys.stdout.flush()
            return None
        self.passed.append(name)
        print(f"passed  {name} ({time.monotonic() - begun:.1f} s)")
        sys.stdout.flush()
        return answer

    def skip(self, name, why):
        self.skipped.append(name)
        print(f"SKIPPED {name}: {why}")
        sys.stdout.flush()

    def close(self):
        """The closing line; the exit code."""
        print(f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped")
        return 1 if self.failed else 0

"""ministack, an emulator of AWS written by others, as a process of ours on loopback; and Terraform applied to it."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.request
import zipfile

import places

# What is applied differs from production in variables alone.
#   filter_policy: the emulator's filters on bodies do not look into arrays; walk.py evaluates the real one.
VARIABLES = {"filter_policy": None, "force_destroy": True, "deletion_protection": False}

# How the provider reaches a server that is not AWS. Nothing of the product is overridden.
OVERRIDE = """
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
}
"""


# A permission that is there already: its function and its statement.
LOST = re.compile(r"Lambda Permission \(([\w-]+)/([\w-]+)\):.*ResourceConflictException")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Emulator:
    """A running emulator; `with` ends it."""

    def __init__(self, name, **environment):
        self.folder = places.WORK / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.credentials = {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.log = open(self.folder / "emulator.log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        program = places.environment_of("requirements.txt", "python")
        documented = pathlib.Path(__file__).with_name("documented.py")
        temporary = self.folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [program, documented], stdout=self.log, stderr=subprocess.STDOUT, cwd=self.folder,
            env={**os.environ, **self.credentials, "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1",
                 "MINISTACK_HOST": "127.0.0.1", "LOG_LEVEL": "INFO", "TMPDIR": str(temporary), **environment})
        try:
            self.wait()
        except BaseException:
            self.close()
            raise

    def wait(self):
        """Until it answers."""
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=5):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"the emulator did not start: see {self.folder}/emulator.log") from None
                time.sleep(0.1)

    def complaints(self):
        """The last lines of its log that are warnings or errors."""
        lines = (self.folder / "emulator.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return [line[:500] for line in lines if re.search(r"WARN|ERROR|Traceback|Error:", line)][-30:]

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Applied:
    """The production environment, applied to an emulator."""

    def __init__(self, emulator, name, packages, **variables):
        self.emulator = emulator
        root = places.shadow(f"{name}/root")
        self.folder = root / "infra" / "terraform" / "environments" / "production"
        (self.folder / "emulator_override.tf").write_text(OVERRIDE)
        self.variables = {**VARIABLES, "packages": str(packages), **variables}
        self.environment = places.terraform_environment(
            places.WORK / name / "terraform", AWS_ENDPOINT_URL=emulator.endpoint, **emulator.credentials)
        self.plan_file = str(self.folder / "plan")
        places.initialise(self.folder, self.environment)
        self.apply()

    def apply(self, **variables):
        """Brings the emulator to what the modules say, and keeps what was planned."""
        self.variables.update(variables)
        (self.folder / "emulator.auto.tfvars.json").write_text(json.dumps(self.variables))
        self.planned = self.plan()
        try:
            self.terraform("apply", "-input=false", "-compact-warnings", self.plan_file)
        except AssertionError as error:
            # A permission was made and the emulator's answer lost: the provider asked again, and takes what it made
            # for somebody else's. So that is taken back, and the rest applied.
            lost = LOST.search(str(error))
            if not lost:
                raise
            print(f"        the answer was lost to AddPermission of {lost[1]}, {lost[2]}")
            places.import_boto3().client(
                "lambda", endpoint_url=self.emulator.endpoint, region_name="us-east-1",
                aws_access_key_id="test", aws_secret_access_key="test",
            ).remove_permission(FunctionName=lost[1], StatementId=lost[2])
            self.plan()
            self.terraform("apply", "-input=false", "-compact-warnings", self.plan_file)

    def plan(self):
        """Plans what is to be applied; the values of every resource, as far as they can be known before."""
        self.terraform("plan", "-input=false", f"-out={self.plan_file}")
        return {each["address"]: each.get("values", {}) for each in _resources(
            json.loads(self.terraform("show", "-json", self.plan_file))["planned_values"]["root_module"])}

    def terraform(self, command, *arguments):
        """Runs terraform here; what it wrote."""
        return places.run([places.terraform(), command, "-no-color", *arguments], cwd=self.folder,
                          env=self.environment)

    def outputs(self):
        return {name: output["value"] for name, output in json.loads(self.terraform("output", "-json")).items()}

    def resources(self):
        """Every resource: what was planned, and what only applying could tell.

        What was planned comes first because the emulator answers for alarms less than was set (no period, no
        treatment of missing data, among others).
        """
        found = list(_resources(json.loads(self.terraform("show", "-json"))["values"]["root_module"]))
        for each in found:
            planned = self.planned.get(each["address"], {})
            each["values"].update({name: value for name, value in planned.items()
                                   if isinstance(value, (str, int, float, bool))})
        return found


def _resources(module):
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield resource
    for child in module.get("child_modules", []):
        yield from _resources(child)


def hollow_packages():
    """Packages that do nothing, where only what is applied is looked at."""
    folder = places.WORK / "hollow-packages"
    functions = places.REPOSITORY / "functions"
    for manifest in [*functions.glob("*/function.json"), *functions.glob("branches/*/branch.json")]:
        place = folder / manifest.parent.name
        place.mkdir(parents=True, exist_ok=True)
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        with zipfile.ZipFile(place / "bootstrap.zip", "w") as package:
            package.writestr(entry, "#!/bin/sh\nexit 1\n")
    return folder

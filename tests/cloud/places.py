"""Where things are: the repository, what the tests make below target/, and the tools that they need."""

import glob
import importlib
import os
import pathlib
import shutil
import subprocess
import sys

from report import Skip

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TERRAFORM = REPOSITORY / "infra" / "terraform"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
WORK = TARGET / "cloud"


def environment_of(requirements, program):
    """The bin folder of a virtual environment with what the file requires; made when it is not there."""
    text = (pathlib.Path(__file__).parent / requirements).read_text()
    place = WORK / requirements.removesuffix(".txt")
    stamp = place / "made-of.txt"
    if not stamp.exists() or stamp.read_text() != text:
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", place])
        made = subprocess.run(
            [place / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r",
             pathlib.Path(__file__).parent / requirements],
            capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Skip(f"the virtual environment of {requirements} cannot be made: {last(made.stderr)}")
        stamp.write_text(text)
    return place / "bin" / program


def import_boto3():
    """boto3, of the emulator's virtual environment."""
    program = environment_of("requirements.txt", "python")
    sys.path.extend(glob.glob(str(program.parents[1] / "lib" / "python3*" / "site-packages")))
    return importlib.import_module("boto3")


def terraform():
    """The program."""
    found = shutil.which("terraform")
    if not found:
        raise Skip("there is no terraform on this machine")
    return found


def mirror():
    """A folder that has the provider, if there is one on this machine; else terraform asks its registry."""
    named = os.environ.get("SAFELIGHT_TERRAFORM_PLUGINS")
    places = [named] if named else [
        *glob.glob("/opt/*"), "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins",
        os.path.expanduser("~/.terraform.d/plugins"),
    ]
    for place in places:
        if glob.glob(f"{place}/*/hashicorp/aws"):
            return place
    return None


def terraform_environment(data, **more):
    """Environment of a terraform that leaves nothing in the repository and reads no setting of the machine's."""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CLI_CONFIG_FILE"}
    environment.update(TF_DATA_DIR=str(data), TF_IN_AUTOMATION="1", CHECKPOINT_DISABLE="1", **more)
    return environment


def initialise(folder, environment):
    """terraform init, without a backend."""
    place = mirror()
    command = [terraform(), "init", "-backend=false", "-input=false", "-no-color"]
    made = subprocess.run(command + ([f"-plugin-dir={place}"] if place else []), cwd=folder, env=environment,
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        if place is None:
            raise Skip(f"terraform's aws provider is neither in a local mirror nor to be had: {last(made.stderr)}")
        raise AssertionError(f"terraform init in {folder}: {made.stderr}")


def run(command, **options):
    """Runs a command; what it wrote to standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def last(text):
    """The last line that says something."""
    lines = [line.strip(" ╷│╵") for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "no reason given")


def shadow(name):
    """A tree that looks like the repository to Terraform, where the tests may add to the environment.

    The modules and the environment are copied, so that they are the ones under test; what they read is linked.
    """
    root = WORK / name
    shutil.rmtree(root, ignore_errors=True)
    (root / "infra").mkdir(parents=True)
    shutil.copytree(TERRAFORM, root / "infra" / "terraform",
                    ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    for linked in ("functions", "workflows"):
        (root / linked).symlink_to(REPOSITORY / linked)
    return root

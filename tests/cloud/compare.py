"""Measures a function beside the same job in Python with boto3, under the same Runtime API and the same emulator.

    python3 tests/cloud/run.py compare

It checks nothing but that both do the job; the figures are printed, and are those of the machine that they are taken
on. Run it when nothing else runs.
"""

import collections
import http.server
import io
import json
import os
import pathlib
import statistics
import subprocess
import threading
import time
import zipfile

import emulator
import places

STARTS = 5
WARM = 200
TICK = os.sysconf("SC_CLK_TCK")


class RuntimeApi:
    """The Lambda Runtime API, for one process."""

    def __init__(self):
        self.events, self.answers = collections.deque(), collections.deque()
        self.ready, self.answered = threading.Condition(), threading.Condition()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # pylint: disable=invalid-name
                with api.ready:
                    while not api.events:
                        api.ready.wait()
                    number, event = api.events.popleft()
                body = json.dumps(event).encode()
                self.send_response(200)
                for name, value in {
                        "lambda-runtime-aws-request-id": f"request-{number}",
                        "lambda-runtime-deadline-ms": str(int(time.time() * 1000) + 60_000),
                        "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
                        "content-type": "application/json", "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()
                with api.answered:
                    api.answers.append((self.path, json.loads(body)))
                    api.answered.notify()

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A process that is ended leaves its poll behind.
        self.server.handle_error = lambda *_: None
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def call(self, number, event):
        with self.ready:
            self.events.append((number, event))
            self.ready.notify()
        with self.answered:
            while not self.answers:
                assert self.answered.wait(60), "no answer"
            path, answer = self.answers.popleft()
        assert path.endswith("/response"), answer
        return answer


def cpu(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def start(command, environment):
    """A process under an API of its own; ended by the caller."""
    api = RuntimeApi()
    process = subprocess.Popen(command, env={
        "PATH": os.environ["PATH"], **environment, "AWS_LAMBDA_RUNTIME_API": api.address, "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "_HANDLER": "bootstrap"})
    return api, process


def measure(name, command, environment, event):
    """First answers, memory, and CPU of a warm request."""
    first, number = [], 0
    for again in range(STARTS):
        begun = time.monotonic()
        api, process = start(command, environment)
        try:
            api.call(number, event(f"{name}-{again}"))
            first.append((time.monotonic() - begun) * 1000)
            if again == STARTS - 1:
                used = cpu(process)
                for warm in range(WARM):
                    number += 1
                    api.call(number, event(f"{name}-warm-{warm}"))
                each, memory = (cpu(process) - used) / WARM * 1000, peak(process)
        finally:
            process.kill()
            process.wait()
            api.server.shutdown()
    found = {"first answer, ms": statistics.median(first), "CPU of a warm request, ms": each, "memory, MiB": memory}
    print(f"        {name}: " + ", ".join(f"{key} {value:.1f}" for key, value in found.items()))
    return found


def unpacked(function):
    """The program of a package, and the size of the package, MB."""
    package = places.TARGET / "lambda" / function / "bootstrap.zip"
    folder = places.WORK / "compare" / function
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    (folder / "bootstrap").chmod(0o755)
    return [folder / "bootstrap"], package.stat().st_size / 1e6


def zipped(python):
    """Size of a package with boto3 in it, MB: what one deploys to have a version of one's own."""
    site = next((python.parents[1] / "lib").glob("python3*/site-packages"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"):
            place = site / name
            for file in [place] if place.is_file() else place.rglob("*"):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, file.relative_to(site))
    return len(packed.getvalue()) / 1e6


def run(report):
    report.check("validate beside the same in Python", compare)


def compare():
    python = places.environment_of("requirements.txt", "python")
    boto3 = places.import_boto3()
    with emulator.Emulator("compare") as running:
        def client(service):
            return boto3.client(service, endpoint_url=running.endpoint, region_name="us-east-1",
                                aws_access_key_id="test", aws_secret_access_key="test")
        body = (places.REPOSITORY / "samples" / "photos" / "lake-at-dawn.jpg").read_bytes()
        for bucket in ("images", "results"):
            client("s3").create_bucket(Bucket=bucket)
        etag = client("s3").put_object(Bucket="images", Key="a.jpg", Body=body)["ETag"].strip('"')
        key = {"pk": "HASH", "sk": "RANGE"}
        index = {"g1pk": "HASH", "g1sk": "RANGE"}
        client("dynamodb").create_table(
            TableName="record", BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in [*key, *index]],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in key.items()],
            GlobalSecondaryIndexes=[{
                "IndexName": "g1-index", "Projection": {"ProjectionType": "KEYS_ONLY"},
                "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in index.items()]}])

        def event(execution):
            return {"context": {"execution": execution, "state": "Validate", "attempt": 0, "epoch": 0},
                    "image": {"bucket": "images", "key": "a.jpg", "etag": etag, "bytes": len(body)}}
        environment = {**running.credentials, "AWS_ENDPOINT_URL": running.endpoint, "SAFELIGHT_TABLE": "record",
                       "SAFELIGHT_RESULTS_BUCKET": "results"}
        command, size = unpacked("validate")
        ours = measure("Rust", command, environment, event)
        theirs = measure("Python", [python, pathlib.Path(__file__).parent / "python_validate" / "bootstrap.py"],
                         environment, event)
        print(f"        first answer {theirs['first answer, ms'] / ours['first answer, ms']:.1f} times sooner, memory "
              f"1/{theirs['memory, MiB'] / ours['memory, MiB']:.1f}, package {size:.2f} MB, with boto3 {zipped(python):.2f} MB")
        return True

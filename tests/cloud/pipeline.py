"""The pipeline whole, on an emulator: packages as they are deployed, Terraform's modules as they are applied, 200
images; and the same images on one machine, compared event by event.

Where the emulator differs from AWS, what is done about it stands here, beside the reason; the product never works
around it.
"""

import base64
import collections
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import emulator
import packages
import places
import proxy
import rekognition
import uploads
import walk
from report import Skip

IMAGES = 200
PATIENCE = 600

# Samples whose labels, thumbnails and so on take long in a build without optimisation are used once each; these again
# and again, under keys that are hard to write.
MANY = ["graphics/badge.png", "graphics/chart.png", "difficult/palette.png", "difficult/one-pixel.gif",
        "documents/letter.png", "difficult/empty.png"]
KEYS = ["plain/{n}{e}", "with space/a b {n}{e}", "plus+and%25/{n}+{e}", "한글/사진 {n}{e}", "quote's (1)/{n}&=;:@,{e}",
        "tilde~star*/{n}!{e}", "dots../{n}..{e}", "emoji 🌄/{n}{e}"]

# Of an event: times and ids, and what is made of them; and the version under which a function was published.
VOLATILE = {"id", "time", "execution", "hash", "prev", "message_id", "execution_arn", "duration_ms", "bucket", "subject",
            "seq", "function_version"}


# What a role allows and no call of this run uses.
UNSEEN = {
    ("*", "s3:ListBucket"): "no call: it makes S3 answer 404 for what is not there, instead of 403",
    ("*", "s3:GetObject"): "of an event over 4 KB that lies in payloads/, or of a bucket without versions",
    ("*", "s3:PutObject"): "of an event over 4 KB, which goes to payloads/",
    ("record", "sqs:SendMessage"): "of an execution that died inside a state, and none did",
}

# How long `record` waits for a call that has not answered when its execution ends, seconds: 15 minutes as deployed.
LONGEST_CALL = 20

# Images that go through while calls are made to fail.
FAULTY = 60


class Slack:
    """Takes messages as Slack's incoming webhook does."""

    def __init__(self):
        self.messages, self.refused = [], 0
        slack = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                known = slack.url.endswith(self.path)
                if known:
                    slack.messages.append(message)
                else:
                    slack.refused += 1
                self.send_response(200 if known else 403)
                self.end_headers()
                self.wfile.write(b"ok" if known else b"invalid_token")

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = self.webhook("x")

    def webhook(self, secret):
        """An address of a webhook; the one that is `url` is taken, every other refused."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/services/T/B/{secret}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def images():
    """Keys and files of the 200 images, every difficult sample among them."""
    root = places.REPOSITORY / "samples"
    samples = sorted(path.relative_to(root).as_posix() for path in root.rglob("*")
                     if path.is_file() and path.suffix not in (".json", ".md"))
    chosen = {name: root / name for name in samples}
    number = 0
    while len(chosen) < IMAGES:
        name = MANY[number % len(MANY)]
        key = KEYS[number % len(KEYS)].format(n=number, e=pathlib.PurePath(name).suffix)
        chosen[key] = root / name
        number += 1
    return chosen


def until(what, condition, patience=PATIENCE, instead=lambda: ""):
    """Waits until a condition holds; answers what it answered. What holds `instead` is told if it does not."""
    end = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience} s{instead()}")
        time.sleep(0.5)


def kill(function):
    """Kills the processes of a function: the emulator's own, by the variable that Lambda sets."""
    killed = 0
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes().split(b"\0")
            program = os.readlink(place / "exe")
        except OSError:
            continue
        if f"AWS_LAMBDA_FUNCTION_NAME={function}".encode() in environment and str(places.WORK) in program:
            os.kill(int(place.name), signal.SIGKILL)
            killed += 1
    return killed


class Deployment:
    """The environment, applied with real packages to an emulator, and how the tests speak to it."""

    def __init__(self, running, between, zips, program, name="pipeline"):
        self.running, self.proxy, self.program = running, between, program
        self.folder = places.WORK / name / "machine"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        # Labels are made of pixels first, as on one machine. The sweep looks at once at what is in the record, and waits
        # for functions in work no longer than a test may take; what is applied is started at once.
        self.applied = emulator.Applied(
            running, name, zips, upload={}, label_provider="properties",
            settings={"record": {"sweep_after_minutes": 0, "longest_call_seconds": LONGEST_CALL},
                      "start": {"version_seconds": 0}},
            environment={"AWS_ENDPOINT_URL": between.endpoint})
        self.outputs = self.applied.outputs()
        boto3 = places.import_boto3()
        self.client = lambda service: boto3.client(service, endpoint_url=running.endpoint, region_name="us-east-1",
                                                   aws_access_key_id="test", aws_secret_access_key="test")
        (self.folder / "safelight.toml").write_text(
            "[aws]\n" + "".join(f"{key} = {json.dumps(self.outputs[output])}\n" for key, output in {
                "table": "table", "results_bucket": "results_bucket", "images_bucket": "images_bucket",
                "ingest_queue_url": "ingest_queue_url", "dead_letter_queue_url": "dead_letter_queue_url",
                "state_machine_arn": "state_machine_arn"}.items()))

    def safelight(self, *arguments, expected=(0,)):
        """Runs a command on the deployment; its standard output."""
        done = subprocess.run(
            [self.program, *arguments], cwd=self.folder, capture_output=True, text=True, check=False,
            env={**os.environ, **self.running.credentials, "AWS_ENDPOINT_URL": self.running.endpoint})
        assert done.returncode in expected, (
            f"safelight {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def begin(self, *arguments):
        """Begins a command on the deployment."""
        return subprocess.Popen(
            [self.program, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, **self.running.credentials, "AWS_ENDPOINT_URL": self.running.endpoint})

    def put(self, key, body):
        self.client("s3").put_object(Bucket=self.outputs["images_bucket"], Key=key, Body=body)

    def executions(self):
        """Name and status of every execution."""
        pages = self.client("stepfunctions").get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs["state_machine_arn"])
        return {each["name"]: each["status"] for page in pages for each in page["executions"]}

    def status(self, arn):
        return self.client("stepfunctions").describe_execution(executionArn=arn)["status"]

    def items(self, prefix):
        """Items of the record whose sort key starts with a prefix."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.outputs["table"])
        return [item for page in pages for item in page["Items"] if item["sk"]["S"].startswith(prefix)]

    def closed(self):
        """Names of the executions that have a summary."""
        return {item["pk"]["S"].removeprefix("X#") for item in self.items("S")}

    def waiting(self, url):
        """How many messages of a queue are visible, and how many are not."""
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return tuple(int(attributes[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible"))

    def depth(self, url):
        return sum(self.waiting(url))

    def letters(self):
        return self.depth(self.outputs["dead_letter_queue_url"])

    def settled(self, count):
        """Waits until so many executions have been closed."""
        what, all_closed = f"{count} executions are closed", lambda: len(self.closed()) >= count
        try:
            until(what, all_closed, PATIENCE // 2, self.unsettled)
        except AssertionError as late:
            # A message that was not done comes again after half an hour; on AWS a schedule is sooner.
            print(f"        {late}\n        the sweep: {self.sweep()}")
            until(what, all_closed, instead=self.unsettled)
        until("nothing runs", lambda: "RUNNING" not in self.executions().values(), instead=self.unsettled)
        until("the ingest queue is empty", lambda: self.depth(self.outputs["ingest_queue_url"]) == 0,
              instead=self.unsettled)

    def unsettled(self):
        """How far the executions are and what waits where, for a reader who has this line alone."""
        executions, closed = self.executions(), self.closed()
        lines = [f"{len(closed)} are closed of {dict(collections.Counter(executions.values()))}"]
        lines += [f"{status} and not closed: {name}" for name, status in executions.items() if name not in closed][:20]
        for url in self.client("sqs").list_queues().get("QueueUrls", []):
            visible, taken = self.waiting(url)
            if visible or taken:
                lines.append(f"{url.rsplit('/', 1)[1]}: {visible} messages visible, {taken} taken")
        return "".join(f"\n        {line}" for line in [*lines, *self.running.complaints()])

    def sweep(self):
        """What the schedule does; what it says."""
        answer = self.client("lambda").invoke(
            FunctionName="safelight-record", Payload=json.dumps({"sweep": {}}).encode())
        return json.loads(answer["Payload"].read())

    def histories(self):
        """The record of every image, by its key."""
        found = {}
        for name in sorted(self.closed()):
            document = json.loads(self.safelight("history", name, "--json"))
            found.setdefault(document["header"]["input"]["image"]["key"], []).append(document)
        return found


def locally(program, chosen):
    """The same images on one machine; the record of every image, by its key."""
    folder = places.WORK / "pipeline" / "local"
    shutil.rmtree(folder, ignore_errors=True)
    for key, source in chosen.items():
        place = folder / "images" / key
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)

    def safelight(*arguments, expected=(0,)):
        done = subprocess.run([program, *arguments, "--state-dir", folder / "state"], cwd=folder / "images",
                              env={**os.environ, "SAFELIGHT_OUT": str(folder / "results")}, capture_output=True,
                              text=True, check=False)
        assert done.returncode in expected, f"safelight {arguments}: {done.returncode}: {done.stderr[-3000:]}"
        return done.stdout

    safelight("process", ".", "--json", expected=(0, 3))
    return {key: [json.loads(safelight("history", key, "--json"))] for key in chosen}


def comparable(value):
    """A value without times and ids."""
    if isinstance(value, dict):
        if value.keys() >= {"bucket", "key", "bytes"} and "sha256" not in value:
            # The image: which version of it, each store says in its own words.
            return {"key": value["key"], "bytes": value["bytes"]}
        return {key: comparable(inner) for key, inner in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    return value


def sequences(states):
    """The states that were entered, and whether they were exited: of the trunk, and of each branch by itself, since
    branches run side by side. The states of the Map that stand before the branches are of no branch by their name."""
    found = collections.defaultdict(list)
    for each in states:
        name = each["state"]
        place = name.split("/")[0] if "/" in name else "dispatch" if name in ("Dispatch", "UnknownBranch") else "trunk"
        found[place].append([name, each["kind"], "exited" in each])
    return found


def lanes(document):
    """Each lane's events, comparable; of the lane of the engine's history, the sequence of states."""
    def place(event):
        # `start` writes this when StartExecution has answered, and the first function may be faster.
        return 1.5 if event["type"] == "execution.started.v1" else event["seq"]

    found = collections.defaultdict(list)
    for event in sorted(document["events"], key=place):
        if event["lane"] == "h":
            found["h"] += [sequences(event["data"]["states"])]
            continue
        if event["type"] == "execution.started.v1":
            # Published versions there, and names here.
            event["data"] = {}
        found[event["lane"]].append(comparable(event))
    return dict(found)


def compared(here, there):
    """Findings: images whose records differ."""
    findings = []
    for key in sorted(set(here) | set(there)):
        ours, theirs = here.get(key), there.get(key)
        if not ours or not theirs:
            findings.append(f"{key}: only {'on AWS' if theirs else 'here'}")
            continue
        one, other = lanes(ours[0]), lanes(theirs[0])
        for lane in sorted(set(one) | set(other)):
            if one.get(lane) != other.get(lane):
                findings.append(f"{key}, lane {lane}:\n      here {json.dumps(one.get(lane), ensure_ascii=False)[:1500]}"
                                f"\n      AWS  {json.dumps(other.get(lane), ensure_ascii=False)[:1500]}")
    return findings


def run(report):
    """All of it."""
    build = ["every function is packaged", "the command with its adapters of AWS is built"]
    names = ["terraform apply with the packages", "200 images go through", "the results are there",
             "the record verifies", "what failed is in the dead-letter queue", "the alarm makes one Slack message",
             "a webhook is rotated", "what nobody told of is closed by the sweep",
             "a stop and a kill in mid-task end as they should",
             "throttling, faults and lost answers lose nothing", "doctor finds nothing wrong",
             "a redrive does again what failed", "a backfill starts nothing twice",
             "a backfill that broke off is resumed", "uploads come in over HTTP, or are refused",
             "labels come from Rekognition, throttled and tried again", "an issuer's tokens may upload, others not",
             "what was rolled back is as before",
             "an image is erased and the record verifies", "the roles are the calls that were seen",
             "the record is the local mode's"]
    try:
        # Before anything is built for what cannot be run.
        places.terraform()
        places.environment_of("requirements.txt", "ministack")
    except Skip as why:
        for name in [*build, *names]:
            report.skip(name, why)
        return
    zips = report.check(build[0], packages.packages)
    program = report.check(build[1], packages.command)
    if zips is None or program is None:
        for name in names:
            report.skip(name, "what it needs was not built")
        return
    with Slack() as slack, emulator.Emulator("pipeline") as running, proxy.Proxy(running.endpoint) as between:
        deployment = report.check(names[0], Deployment, running, between, zips, program)
        if deployment is None:
            for name in names[1:]:
                report.skip(name, f"\"{names[0]}\" did not pass")
            return
        with uploads.Issuer() as issuer:
            through(report, names, deployment, slack, issuer)


def through(report, names, deployment, slack, issuer):
    """The checks, in the order in which a day goes."""
    chosen = images()
    deployment.client("secretsmanager").put_secret_value(
        SecretId=deployment.outputs["webhook_secret_arn"], SecretString=slack.url)

    def all_go_through():
        begun = time.monotonic()
        for key, source in chosen.items():
            deployment.put(key, source.read_bytes())
        deployment.settled(len(chosen))
        statuses = collections.Counter(deployment.executions().values())
        print(f"        {dict(statuses)} in {time.monotonic() - begun:.0f} s")
        assert sum(statuses.values()) == len(chosen), statuses
        keys = set(deployment.histories())
        assert keys == set(chosen), keys ^ set(chosen)
        return True

    def results_are_there():
        pages = deployment.client("s3").get_paginator("list_objects_v2").paginate(
            Bucket=deployment.outputs["results_bucket"])
        there = {each["Key"] for page in pages for each in page.get("Contents", [])}
        missing, count = [], 0
        for key, documents in deployment.histories().items():
            for event in documents[0]["events"]:
                for output in event["data"].get("outputs", []):
                    count += 1
                    if output["key"] not in there:
                        missing.append(output["key"])
        assert count > len(chosen) and not missing, missing
        print(f"        {count} results of {len(chosen)} images")

    def verifies():
        said = json.loads(deployment.safelight("audit", "verify", "--json"))
        print(f"        {said['executions']} executions, {said['events']} events")
        assert said["damage"] == [] and said["executions"] == len(deployment.executions()), said

    def failed_are_letters():
        failed = [name for name, status in deployment.executions().items() if status == "FAILED"]
        until("the letters", lambda: deployment.letters() == len(failed), 30)
        listed = [json.loads(line) for line in deployment.safelight("failures", "list", "--json").splitlines()]
        assert {each["letter"]["execution"] for each in listed} == set(failed), listed
        print(f"        {len(failed)} letters: "
              f"{dict(collections.Counter(each['letter']['error']['name'] for each in listed))}")

    def one_message():
        # The emulator publishes no metrics of SQS, and of one that is put it looks at no dimensions, so that the alarms
        # of other queues go off as well: the state is set that CloudWatch would find.
        deployment.client("cloudwatch").set_alarm_state(
            AlarmName="safelight-dead-letters-depth", StateValue="ALARM",
            StateReason=f"Threshold Crossed: Maximum {deployment.letters()} GreaterThanOrEqualToThreshold 1.0")
        on = until("an alarm is on", lambda: deployment.client("cloudwatch").describe_alarms(
            StateValue="ALARM")["MetricAlarms"])
        until("a message in Slack", lambda: slack.messages, 60)
        until("the alerts are handled", lambda: all(
            deployment.depth(queue) == 0 for queue in deployment.client("sqs").list_queues(
                QueueNamePrefix="safelight-alerts")["QueueUrls"]), 60)
        assert len(slack.messages) == 1, slack.messages
        text = json.dumps(slack.messages[0], ensure_ascii=False)
        assert "failures redrive" in text or "failures" in text, text
        print(f"        {len(on)} alarms on, one message: {slack.messages[0]['text']}")

    def rotated():
        # As the runbook says; the old webhook is deleted while the function still has it.
        slack.url = slack.webhook("y")
        deployment.client("secretsmanager").put_secret_value(
            SecretId=deployment.outputs["webhook_secret_arn"], SecretString=slack.url)
        deployment.client("cloudwatch").set_alarm_state(
            AlarmName="safelight-dead-letters-age", StateValue="ALARM", StateReason="rotation of the webhook")
        until("a message by the new webhook", lambda: len(slack.messages) == 2, 60)
        # Within the five minutes for which the function keeps the old one.
        assert slack.refused, "the old one was not used any more"
        print(f"        refused by the old one; then: {slack.messages[1]['text']}")

    def swept():
        rule = next(each["Name"] for each in deployment.client("events").list_rules()["Rules"]
                    if "EventPattern" in each and "states" in each["EventPattern"])
        # Events that never come.
        deployment.client("events").disable_rule(Name=rule)
        before = deployment.closed()
        for number in range(3):
            deployment.put(f"unheard/{number}.png", chosen["graphics/badge.png"].read_bytes())
        until("they have ended", lambda: len(deployment.executions()) == len(before) + 3
              and "RUNNING" not in deployment.executions().values(), 120)
        assert len(deployment.closed()) == len(before), "an event came although the rule was off"
        said = deployment.sweep()
        deployment.client("events").enable_rule(Name=rule)
        assert said["closed"] == 3 and said["failed"] == 0, said
        assert len(deployment.closed()) == len(before) + 3
        print(f"        {said}")

    def held(key, function="safelight-validate"):
        """Puts an image whose function waits in its first call, and calls what is given while it waits."""
        between = deployment.proxy
        between.holding.clear()
        between.release.clear()
        between.held = lambda caller, _: caller == function and not between.release.is_set()
        before = set(deployment.executions())
        deployment.put(key, chosen["graphics/badge.png"].read_bytes())
        assert between.holding.wait(60), "the function was not called"
        return next(name for name in deployment.executions() if name not in before)

    def let_go():
        deployment.proxy.held = None
        deployment.proxy.release.set()

    def stopped_and_killed():
        letters, count = deployment.letters(), len(deployment.closed())
        name = held("stopped/1.png")
        arn = deployment.outputs["state_machine_arn"].replace(":stateMachine:", ":execution:") + f":{name}"
        deployment.client("stepfunctions").stop_execution(executionArn=arn, error="Operator.Stopped", cause="a test")
        # The execution has ended and its event has come; its function is still in work, and a seal now would be
        # broken by what it writes.
        queue = next(url for url in deployment.client("sqs").list_queues(QueueNamePrefix="safelight-record")["QueueUrls"]
                     if "dead" not in url)
        until("its event was taken", lambda: deployment.status(arn) == "ABORTED" and deployment.waiting(queue) == (0, 1))
        assert deployment.sweep()["closed"] == 0 and name not in deployment.closed()
        let_go()
        until("the sweep closes it", lambda: deployment.sweep()["closed"] == 1 and name in deployment.closed())
        assert deployment.waiting(queue) == (0, 1), "its event's message was not left to come again"
        deployment.settled(count + 1)
        document = json.loads(deployment.safelight("history", name, "--json"))
        late = [each["type"] for each in document["events"] if each["lane"] == "trunk"]
        assert late[-1] == "state.succeeded.v1", late
        assert [each["type"] for each in document["events"] if each["lane"] == "op"] == ["execution.aborted.v1"], document
        # Who stops an execution knows of it: no letter.
        assert document["summary"]["outcome"] == "failed" and deployment.letters() == letters, document["summary"]
        # A function that dies in mid-task: the workflow's Retry calls another.
        name = held("killed/1.png")
        killed = kill("safelight-validate")
        let_go()
        deployment.settled(count + 2)
        document = json.loads(deployment.safelight("history", name, "--json"))
        assert killed and document["summary"]["outcome"] == "succeeded", document["summary"]
        said = json.loads(deployment.safelight("audit", "verify", "--json"))
        assert said["damage"] == [], said

    def faults():
        count = len(deployment.closed())
        sent = dict(list(chosen.items())[:20] + list(chosen.items())[-FAULTY + 20:])
        before = {key: documents[0]["summary"]["outcome"] for key, documents in first.items()}
        deployment.proxy.made.clear()
        deployment.proxy.rate = 0.1
        try:
            for key, source in sent.items():
                deployment.put(f"faulty/{key}", source.read_bytes())
            until("all have ended", lambda: len(deployment.executions()) >= count + len(sent)
                  and "RUNNING" not in deployment.executions().values())
        finally:
            deployment.proxy.rate = 0.0
        # The notice of an end that `record` failed to handle comes again after half an hour; the sweep is sooner.
        until("the sweep has closed all", lambda: deployment.sweep()["closed"] == 0
              and len(deployment.closed()) >= count + len(sent))
        deployment.settled(count + len(sent))
        made = {kind: number for kind, number in deployment.proxy.made.items() if kind}
        print(f"        {sum(deployment.proxy.made.values())} calls, of which {made}")
        assert len(made) == 4, made
        for key, documents in deployment.histories().items():
            if not key.startswith("faulty/"):
                continue
            assert len(documents) == 1, f"{key} was done {len(documents)} times"
            outcome = documents[0]["summary"]["outcome"]
            assert outcome == before[key.removeprefix("faulty/")], f"{key}: {documents[0]['summary']}"
        assert len(deployment.executions()) == count + len(sent)
        said = json.loads(deployment.safelight("audit", "verify", "--json"))
        assert said["damage"] == [], said

    def roles():
        findings, unseen = [], []
        for name, manifest in sorted(walk.manifests_of(places.REPOSITORY / "functions").items()):
            permitted, seen = set(manifest["actions"]), set(deployment.proxy.calls[f"safelight-{name}"])
            findings += [f"{name} calls {action}, which its role does not allow" for action in sorted(seen - permitted)]
            for action in sorted(permitted - seen):
                reason = UNSEEN.get((name, action)) or UNSEEN.get(("*", action))
                if reason:
                    unseen.append(f"{name} {action}")
                else:
                    findings.append(f"{name} may {action}, and did not")
        assert not findings, "; ".join(findings)
        assert "unknown" not in deployment.proxy.calls, deployment.proxy.calls["unknown"]
        print(f"        allowed and not seen, each for a reason that is written down: {', '.join(unseen)}")

    def doctor():
        for check in map(json.loads, deployment.safelight("doctor", "--json").splitlines()):
            assert check["verdict"] == "fine", check

    def redriven():
        before = deployment.letters()
        # An image that was not there when its notification came, and is now.
        missing, elsewhere = "late/late.png", "images-of-others"
        deployment.client("s3").create_bucket(Bucket=elsewhere)
        deployment.client("sqs").send_message(
            QueueUrl=deployment.outputs["ingest_queue_url"], MessageBody=json.dumps({"Records": [{
                "eventName": "ObjectCreated:Put", "eventTime": "2026-11-21T12:00:00.000Z",
                "s3": {"bucket": {"name": elsewhere}, "object": {"key": missing}}}]}))
        deployment.client("sqs").send_message(
            QueueUrl=deployment.outputs["ingest_queue_url"], MessageBody="no notification")
        until("two letters more", lambda: deployment.letters() == before + 2, 120)
        until("the failed one is closed", lambda: len(deployment.closed()) == len(deployment.executions()), 120)
        count = len(deployment.executions())
        deployment.client("s3").put_object(
            Bucket=elsewhere, Key=missing, Body=chosen["graphics/badge.png"].read_bytes())
        deployment.safelight("failures", "redrive", "--error", "Image.NotFound")
        deployment.settled(count + 1)
        redriven = [name for name in deployment.executions() if "-r" in name]
        assert len(redriven) == 1 and deployment.executions()[redriven[0]] == "SUCCEEDED", redriven
        until("its letter is gone", lambda: deployment.letters() == before + 1, 30)
        # What fails again is a new letter in place of the old one; what is dropped is gone.
        deployment.safelight("failures", "redrive", "--class", "start")
        until("the message failed again", lambda: deployment.letters() == before + 1, 60)
        deployment.safelight("failures", "drop", "--all", "--yes")
        assert deployment.letters() == 0, deployment.letters()
        said = json.loads(deployment.safelight("audit", "verify", "--json"))
        assert said["damage"] == [], said

    def backfilled():
        count = len(deployment.executions())
        bucket = deployment.outputs["images_bucket"]
        said = json.loads(deployment.safelight("backfill", f"s3://{bucket}/", "--dry-run", "--json"))
        assert said["queued"] == 0 and said["unchanged"] > IMAGES, said
        said = json.loads(deployment.safelight("backfill", f"s3://{bucket}/graphics/", "--again", "--rate", "50", "--json"))
        assert said["queued"] == said["objects"] > 3, said
        deployment.settled(count + said["queued"])
        # Once more again is once more, of what a backfill sent too.
        for times in (2, 3):
            deployment.safelight("backfill", f"s3://{bucket}/graphics/", "--again", "--json")
            deployment.settled(count + times * said["queued"])
        assert len(deployment.executions()) == count + 3 * said["queued"]

    def resumed():
        bucket, number = "archive-of-others", 40
        deployment.client("s3").create_bucket(Bucket=bucket)
        body = chosen["graphics/badge.png"].read_bytes()
        for each in range(number):
            deployment.client("s3").put_object(Bucket=bucket, Key=f"old/{each:03} %+한.png", Body=body)
        count = len(deployment.executions())
        # Killed when the first ten are queued: the next ten would be two seconds later.
        first_run = deployment.begin("backfill", f"s3://{bucket}/old/", "--rate", "5", "--json")
        until("a position is noted", lambda: list((deployment.folder / ".safelight").glob("backfill-*.json")), 60)
        first_run.kill()
        first_run.wait()
        begun = time.monotonic()
        said = json.loads(deployment.safelight(
            "backfill", f"s3://{bucket}/old/", "--resume", "--again", "--rate", "20", "--json"))
        took = time.monotonic() - begun
        assert 0 < said["objects"] == said["queued"] < number, said
        # What is left goes in tens, each of which takes half a second.
        assert took >= (said["queued"] - 10) / 20, took
        deployment.settled(count + number)
        assert len(deployment.executions()) == count + number, len(deployment.executions())
        done = {key: documents for key, documents in deployment.histories().items() if key.startswith("old/")}
        assert len(done) == number and all(len(documents) == 1 for documents in done.values())
        print(f"        killed after {number - said['objects']} of {number}; the rest in {took:.1f} s at 20 a second")

    def uploaded():
        client = uploads.Client(deployment.running, deployment.outputs["upload_endpoint"])
        small, large = chosen["graphics/badge.png"].read_bytes(), uploads.noise(1_200)
        count = len(deployment.closed())
        status, _, said = client.ask("PUT", "images/uploads/small 한.png", small)
        assert status == 201 and said["format"] == "png", (status, said)
        status, headers, said = client.ask("PUT", "images/uploads/large.png", large)
        location = {name.lower(): value for name, value in headers.items()}.get("location")
        assert status == 307 and location == said["upload"]["url"], (status, said)
        assert uploads.put(location, said["upload"]["headers"], large) == 200
        status, _, said = client.leave("uploads/left.png", large)
        assert status == 200 and said["upload"]["method"] == "PUT", (status, said)
        assert uploads.put(said["upload"]["url"], said["upload"]["headers"], large) == 200
        deployment.settled(count + 3)
        done = deployment.histories()
        for key in ("uploads/small 한.png", "uploads/large.png", "uploads/left.png"):
            assert done[key][0]["summary"]["outcome"] == "succeeded", done[key][0]["summary"]
        text = b"not an image at all"
        refused = {
            "no image": (415, client.ask("PUT", "images/uploads/x.png", text)),
            "a broken header": (422, client.ask("PUT", "images/uploads/x.png", small[:20])),
            "no such bucket": (404, client.ask("PUT", "elsewhere/x.png", small)),
            "a key that climbs": (400, client.ask("PUT", "images/a/../x.png", small)),
            "too large": (413, client.ask("POST", "images/uploads/x.png", json.dumps(
                {"bytes": 1 << 40, "head": base64.b64encode(small[:64]).decode()}).encode())),
        }
        # Without a signature the API itself refuses, and the function is not called.
        status, _, said = client.ask("PUT", "images/uploads/x.png", small, signed=False)
        assert status == 403 and said == {"message": "Forbidden"}, (status, said)
        for what, (expected, (status, _, said)) in refused.items():
            assert status == expected and said["error"]["name"], f"{what}: {status} {said}"
        assert len(deployment.executions()) == count + 3
        print(f"        {len(large) / 1e6:.1f} MB by way of 307 and of leave; refused: {', '.join(refused)}")

    def labels_of(document):
        return [event for event in document["events"] if event["lane"] == "b.label"]

    def labelled():
        service, count = deployment.proxy.rekognition, len(deployment.closed())
        # In the same change uploads are given to the issuer's tokens instead of signatures.
        deployment.applied.apply(label_provider="rekognition", upload={
            "jwt": {"issuer": issuer.url, "audience": ["safelight"], "scopes": ["images/write"]}})
        picture = chosen["photos/lake-at-dawn.jpg"].read_bytes()
        # A function tries four times; what is throttled for longer the workflow tries again.
        service.throttled = {"labels/within.jpg": 2, "labels/beyond.jpg": 5}
        for key in service.throttled:
            deployment.put(key, picture)
        deployment.put("labels/animated.gif", chosen["difficult/animated.gif"].read_bytes())
        deployment.settled(count + 3)
        done = {key: documents[0] for key, documents in deployment.histories().items()}
        within, beyond = labels_of(done["labels/within.jpg"]), labels_of(done["labels/beyond.jpg"])
        assert service.calls == {"labels/within.jpg": 3, "labels/beyond.jpg": 6}, service.calls
        assert [each["type"] for each in within if "state" in each["type"]] == ["state.entered.v1", "state.succeeded.v1"]
        states = [each["type"] for each in beyond if each["type"].startswith("state.")]
        assert states == ["state.entered.v1", "state.failed.v1", "state.retried.v1", "state.succeeded.v1"], states
        failed = next(each for each in beyond if each["type"] == "state.failed.v1")
        assert failed["data"]["error"]["name"] == "Label.Throttled", failed
        assert not labels_of(done["labels/animated.gif"]), "Rekognition takes no GIF"
        for key in service.throttled:
            written = json.loads(deployment.client("s3").get_object(
                Bucket=deployment.outputs["results_bucket"], Key=f"results/label/{key}/labels.json")["Body"].read())
            assert written == rekognition.ANSWER, written

    def by_token():
        client = uploads.Client(deployment.running, deployment.outputs["upload_endpoint"])
        small, count = chosen["graphics/badge.png"].read_bytes(), len(deployment.closed())
        good = {"aud": "safelight", "scope": "images/write"}

        def put(token, **more):
            return client.ask("PUT", "images/uploads/token.png", small, token=token, **more)[0]
        assert put(issuer.token(**good)) == 201
        deployment.settled(count + 1)
        refused = {
            "no token": (401, put(None, signed=False)),
            "a signature": (401, put(None)),
            "another audience": (401, put(issuer.token(**{**good, "aud": "another"}))),
            "expired": (401, put(issuer.token(**good, exp=1))),
            "another issuer": (401, put(issuer.token(**good, iss="http://127.0.0.1:1"))),
            "a changed token": (401, put(issuer.token(**good)[:-8] + "AAAAAAAA")),
            "another scope": (403, put(issuer.token(aud="safelight", scope="images/read"))),
        }
        for what, (expected, status) in refused.items():
            assert status == expected, f"{what}: {status}"
        assert len(deployment.executions()) == count + 1
        print(f"        refused: {', '.join(refused)}")

    def rolled_back():
        count = len(deployment.closed())
        before = deployment.histories()
        deployment.applied.apply(label_provider="properties")
        deployment.put("labels/after.jpg", chosen["photos/lake-at-dawn.jpg"].read_bytes())
        deployment.settled(count + 1)
        after = deployment.histories()["labels/after.jpg"][0]
        during = before["labels/within.jpg"][0]
        assert "labels/after.jpg" not in deployment.proxy.rekognition.calls, deployment.proxy.rekognition.calls
        assert after["summary"]["outcome"] == "succeeded" and labels_of(after)
        versions = [document["header"]["branches"]["label"] for document in (during, after)]
        assert versions[0] != versions[1], versions
        print(f"        label: {' then '.join(each.rsplit(':', 2)[-2] + ':' + each.rsplit(':', 1)[-1] for each in versions)}")

    def erased():
        # As the runbook says.
        key = "photos/lake-at-dawn.jpg"
        name = first[key][0]["header"]["execution"]
        storage, gone = deployment.client("s3"), 0
        for bucket, prefixes in {
                deployment.outputs["images_bucket"]: [key],
                deployment.outputs["results_bucket"]: [f"results/{branch}/{key}/" for branch in
                                                       ("label", "thumbnail", "compress")]}.items():
            for prefix in prefixes:
                listed = storage.list_object_versions(Bucket=bucket, Prefix=prefix)
                for each in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
                    storage.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
                    gone += 1
        assert gone >= 4, gone
        said = json.loads(deployment.safelight("audit", "verify", name, "--json"))
        assert said["damage"] == [], said
        # An archive is part of the record: who deletes it damages it.
        archive = next(event["data"]["archive"]["key"] for event in first[key][0]["events"]
                       if event["type"] == "history.archived.v1")
        for each in storage.list_object_versions(
                Bucket=deployment.outputs["results_bucket"], Prefix=archive).get("Versions", []):
            storage.delete_object(Bucket=deployment.outputs["results_bucket"], Key=archive, VersionId=each["VersionId"])
        said = json.loads(deployment.safelight("audit", "verify", name, "--json", expected=(4,)))
        assert [each["kind"] for each in said["damage"]] == ["absent"], said

    def same_as_local():
        there = {key: documents for key, documents in first.items() if key in chosen}
        findings = compared(locally(deployment.program, chosen), there)
        assert not findings, f"{len(findings)} differ\n    " + "\n    ".join(findings[:6])

    if report.check(names[1], all_go_through) is None:
        for name in names[2:]:
            report.skip(name, f"\"{names[1]}\" did not pass")
        return
    first = deployment.histories()
    for name, check in zip(names[2:], [
            results_are_there, verifies, failed_are_letters, one_message, rotated, swept, stopped_and_killed, faults,
            doctor, redriven, backfilled, resumed, uploaded, labelled, by_token, rolled_back, erased, roles,
            same_as_local]):
        report.check(name, check)

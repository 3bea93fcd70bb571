"""What needs no image: formatting, validity, checkov, and the walk over what was applied."""

import copy
import json
import re
import subprocess

import emulator
import filters
import places
import walk
from report import Skip

# Notifications as S3 sends them, and what must become of each.
NOTIFICATIONS = [
    ("a put", True, {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a.jpg"}}}]}),
    ("a multipart upload", True, {"Records": [{"eventName": "ObjectCreated:CompleteMultipartUpload",
                                               "s3": {"object": {"key": "a+b%21.tif"}}}]}),
    ("a copy", True, {"Records": [{"eventName": "ObjectCreated:Copy", "s3": {"object": {"key": "no-extension"}}}]}),
    ("S3's test", False, {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "images"}),
    ("a deletion", False, {"Records": [{"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "a.jpg"}}}]}),
]


def formatted():
    places.run([places.terraform(), "fmt", "-check", "-diff", "-recursive", places.TERRAFORM])


def valid_environment():
    """terraform validate of the environment, in a copy, so that nothing is left beside the sources."""
    root = places.shadow("validate/environment")
    validate(root / "infra" / "terraform" / "environments" / "production", "environment")


def valid_examples():
    """terraform validate of every module's example, as modules of one configuration: one set of providers."""
    root = places.shadow("validate/examples") / "infra" / "terraform"
    names = sorted(each.parents[1].name for each in root.glob("modules/*/examples/simple"))
    together = root / "environments" / "examples"
    together.mkdir()
    (together / "main.tf").write_text("".join(
        f'module "{name}" {{\n  source = "../../modules/{name}/examples/simple"\n}}\n' for name in names))
    validate(together, "examples")


def validate(folder, name):
    environment = places.terraform_environment(places.WORK / "validate" / f"{name}.terraform")
    places.initialise(folder, environment)
    places.run([places.terraform(), "validate", "-no-color"], cwd=folder, env=environment)


def complete():
    """Every module has its four files and an example."""
    for module in sorted((places.TERRAFORM / "modules").iterdir()):
        for file in ("main.tf", "variables.tf", "outputs.tf", "versions.tf", "examples/simple/main.tf"):
            assert (module / file).exists(), f"{module.name} has no {file}"


def checkov():
    """checkov, and a reason at every exception."""
    program = places.environment_of("requirements-checkov.txt", "checkov")
    done = subprocess.run(
        [program, "--directory", places.TERRAFORM, "--framework", "terraform", "--output", "json", "--quiet",
         "--skip-download"],
        capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise AssertionError(f"checkov: {done.stdout[-2000:]}{done.stderr[-2000:]}") from None
    summary = answer["summary"]
    failed = [f"{each['check_id']} {each['resource']}" for each in answer["results"]["failed_checks"]]
    assert not failed, f"checkov fails: {failed}"
    assert summary["parsing_errors"] == 0 and summary["passed"] > 100, f"checkov saw little: {summary}"
    exceptions = []
    for file in places.TERRAFORM.rglob("*.tf"):
        exceptions += re.findall(r"#checkov:skip=(\S+?)(?::(.*))?$", file.read_text(), re.MULTILINE)
    bare = [check for check, reason in exceptions if len(reason.split()) < 4]
    assert exceptions and not bare, f"exceptions without a reason: {bare}"
    return f"{summary['passed']} passed, {len(exceptions)} exceptions with a reason"


def filter_policy(values):
    """The policy of production lets pass what it must, and nothing else."""
    policy = values["filter_policy"]
    for name, passes, body in NOTIFICATIONS:
        assert filters.matches(policy, body) == passes, f"the filter policy and {name}"


def production_defaults():
    """Defaults of the environment's variables, read from the file that sets them."""
    text = (places.TERRAFORM / "environments" / "production" / "variables.tf").read_text()
    found = {}
    for name, body in re.findall(r'variable "(\w+)" \{\n(.*?)\n\}\n', text, re.DOTALL):
        default = re.search(r"^  default\s*= (.*)", body, re.DOTALL | re.MULTILINE)
        if default:
            found[name] = default[1].strip()
    policy = re.sub(r"(\w+)\s*=", r'"\1":', found["filter_policy"].split("\n\n")[0])
    found["filter_policy"] = json.loads(policy)
    return found


def walked(resources):
    """Every check of the walk, together."""
    findings = [finding for check in walk.CHECKS for finding in check(resources)]
    manifests = walk.manifests_of(places.REPOSITORY / "functions")
    findings += walk.roles_are_their_manifests(resources, manifests)
    return findings


def can_fail(applied):
    """The walk finds what is made wrong on purpose, one thing at a time."""
    def change(kind, edit, expected):
        broken = copy.deepcopy(applied)
        met = [each["values"] for each in broken if each["type"] == kind]
        assert met, f"nothing of type {kind}"
        for values in met:
            edit(values)
        findings = walked(walk.Resources(broken))
        assert any(expected in finding for finding in findings), f"{kind}: not found: {expected}"

    def without(condition):
        def edit(values):
            policy = json.loads(values["policy"])
            for statement in policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]:
                for operator in statement.get("Condition", {}).values():
                    operator.pop(condition, None)
            values["policy"] = json.dumps(policy)
        return edit

    change("aws_sns_topic_policy", without("aws:SourceArn"), "S3 → SNS")
    change("aws_sns_topic_policy", without("aws:SourceAccount"), "alarm → SNS")
    change("aws_sqs_queue_policy", without("aws:SourceArn"), "SNS → SQS")
    change("aws_sqs_queue_policy", without("aws:SourceAccount"), "EventBridge → SQS")
    change("aws_kms_key", without("aws:SourceAccount"), "key does not grant s3.amazonaws.com")
    change("aws_lambda_permission", lambda v: v.update(source_account=None), "SQS → Lambda")
    change("aws_lambda_permission", lambda v: v.update(source_arn="arn:aws:none"), "Step Functions → Lambda")
    change("aws_lambda_permission", lambda v: v.update(qualifier=None), "HTTP API → Lambda")
    change("aws_lambda_event_source_mapping", lambda v: v.update(function_response_types=[]), "repeat its batch")
    change("aws_sqs_queue", lambda v: v.update(visibility_timeout_seconds=30), "below six timeouts")
    change("aws_sqs_queue", lambda v: v.update(redrive_allow_policy=None), "does not allow it by name")
    change("aws_cloudwatch_metric_alarm", lambda v: v.update(treat_missing_data="breaching"), "missing data")
    change("aws_cloudwatch_metric_alarm", lambda v: v.update(alarm_name="another"),
           "what waits in ingest")
    change("aws_iam_role_policy", lambda v: v.update(policy=v["policy"].replace("dynamodb:PutItem", "dynamodb:*")),
           "too many")
    change("aws_sns_topic_policy", lambda v: v.update(policy=v["policy"].replace(
        '"sns:Publish"', '["sns:Publish", "sns:Subscribe"]')), "to publish only")


def run(report):
    """All of it; the order is from cheap to dear."""
    report.check("every module has its files and an example", complete)
    manifests = walk.manifests_of(places.REPOSITORY / "functions")
    branches = [each.parent.name for each in (places.REPOSITORY / "functions").glob("branches/*/branch.json")]

    def docs():
        findings = walk.docs_say_the_same(manifests, branches, (places.REPOSITORY / "docs" / "aws.md").read_text())
        assert not findings, "; ".join(findings)

    report.check("docs/aws.md names the actions of every manifest", docs)
    report.check("the filter policy lets pass what it must", lambda: filter_policy(production_defaults()))
    report.check("terraform fmt", formatted)
    report.check("terraform validate of the environment", valid_environment)
    report.check("terraform validate of every module's example", valid_examples)
    report.check("checkov", checkov)
    walk_applied(report)


def walk_applied(report):
    names = ["terraform apply to the emulator", "the walk over what was applied",
             "the walk finds what is made wrong on purpose"]

    def apply():
        places.terraform()
        with emulator.Emulator("walk") as running:
            applied = emulator.Applied(running, "walk", emulator.hollow_packages(), upload={})
            return applied.resources()

    applied = report.check(names[0], apply)
    if applied is None:
        for name in names[1:]:
            report.skip(name, f"\"{names[0]}\" did not pass")
        return

    def walks():
        findings = walked(walk.Resources(applied))
        assert not findings, "\n  " + "\n  ".join(findings)
        edges = [kind for kind, *_ in walk.edges(walk.Resources(applied))]
        print(f"        {len(applied)} resources; edges: " + ", ".join(f"{edges.count(k)} {k}" for k in walk.KINDS))

    report.check(names[1], walks)
    report.check(names[2], can_fail, applied)


__all__ = ["run", "Skip"]

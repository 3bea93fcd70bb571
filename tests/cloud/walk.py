"""Walks what was applied. The emulator checks no permission; this does, resource by resource.

Each function of CHECKS takes the resources and answers findings, one sentence each; none means that it holds.
"""

import fnmatch
import json
import re
from collections import Counter

# Every kind of edge that the pipeline has. A walk that does not meet one of them has not walked.
KINDS = ["S3 → SNS", "SNS → SQS", "SNS → dead letters", "alarm → SNS", "EventBridge → SQS", "SQS → Lambda", "Step Functions → Lambda",
         "schedule → Lambda", "HTTP API → Lambda"]

# What every role may do beside its manifest.
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
KEY = {"kms:Decrypt", "kms:GenerateDataKey"}
POLLER = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}


class Resources:
    """What was applied, by type."""

    def __init__(self, resources):
        self.all = resources
        accounts = {match[1] for each in resources
                    if (match := re.match(r"arn:aws:sqs:[^:]*:(\d{12}):", each["values"].get("arn") or ""))}
        assert len(accounts) == 1, f"the account is not clear: {accounts}"
        [self.account] = accounts

    def of(self, kind):
        return [each["values"] for each in self.all if each["type"] == kind]

    def one(self, kind, **wanted):
        found = [values for values in self.of(kind) if all(values.get(k) == v for k, v in wanted.items())]
        return found[0] if len(found) == 1 else None

    def statements(self, kind, policy="policy", **wanted):
        """The allowing statements of the one resource policy that is meant."""
        found = self.one(kind, **wanted)
        if not found:
            return []
        return [s for s in listed(json.loads(found[policy])["Statement"]) if s["Effect"] == "Allow"]

    def key_grants(self, key, service):
        """Whether the key's policy lets the service encrypt, for this account only."""
        found = self.one("aws_kms_key", arn=key)
        if not found:
            return False
        statements = [s for s in listed(json.loads(found["policy"])["Statement"]) if s["Effect"] == "Allow"]
        return any(
            service in listed(s["Principal"].get("Service", []))
            and {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(listed(s["Action"]))
            and conditions(s).get("aws:SourceAccount") == [self.account]
            for s in statements)


def listed(value):
    return value if isinstance(value, list) else [value]


def conditions(statement):
    """Key of each condition → its values."""
    found = {}
    for operator in statement.get("Condition", {}).values():
        for key, values in operator.items():
            found.setdefault(key, []).extend(listed(values))
    return found


def admits(statements, service, action, source, account):
    """Whether exactly that service, for that source and account, may do that and no more."""
    for statement in statements:
        principal = statement["Principal"]
        if not isinstance(principal, dict) or listed(principal.get("Service", [])) != [service]:
            continue
        given = conditions(statement)
        arns = given.get("aws:SourceArn", [])
        if (listed(statement["Action"]) == [action] and given.get("aws:SourceAccount") == [account]
                and arns and any(fnmatch.fnmatchcase(source, pattern) for pattern in arns)):
            return True
    return False


def edges(resources):
    """(kind, from, to, what is wrong with it) of every edge."""
    yield from published(resources)
    yield from invoked(resources)


def published(resources):
    """Edges into topics and queues."""
    account = resources.account

    def topic(kind, service, source, arn):
        values = resources.one("aws_sns_topic", arn=arn) or {}
        wrong = []
        if not admits(resources.statements("aws_sns_topic_policy", arn=arn), service, "sns:Publish", source, account):
            wrong.append(f"no statement of the topic's policy admits {service} for this source and account, to publish only")
        if not resources.key_grants(values.get("kms_master_key_id"), service):
            wrong.append(f"the topic's key does not grant {service}")
        return kind, source, arn, wrong

    def queue(kind, service, source, arn):
        values = resources.one("aws_sqs_queue", arn=arn) or {}
        statements = resources.statements("aws_sqs_queue_policy", queue_url=values.get("url"))
        wrong = []
        if not admits(statements, service, "sqs:SendMessage", source, account):
            wrong.append(f"no statement of the queue's policy admits {service} for this source and account, to send only")
        if not resources.key_grants(values.get("kms_master_key_id"), service):
            wrong.append(f"the queue's key does not grant {service}")
        return kind, source, arn, wrong

    for values in resources.of("aws_s3_bucket_notification"):
        bucket = resources.one("aws_s3_bucket", id=values["bucket"])
        for target in values["topic"]:
            yield topic("S3 → SNS", "s3.amazonaws.com", bucket["arn"], target["topic_arn"])
        for kind in ("queue", "lambda_function"):
            for target in values.get(kind) or []:
                yield "S3 → ?", bucket["arn"], str(target), ["S3 notifies something beside the topic"]
    for values in resources.of("aws_sns_topic_subscription"):
        yield queue("SNS → SQS", "sns.amazonaws.com", values["topic_arn"], values["endpoint"])
        if values["redrive_policy"]:
            dead = json.loads(values["redrive_policy"])["deadLetterTargetArn"]
            yield queue("SNS → dead letters", "sns.amazonaws.com", values["topic_arn"], dead)
    for values in resources.of("aws_cloudwatch_metric_alarm"):
        for action in sorted(set(values["alarm_actions"] or []) | set(values["ok_actions"] or [])):
            yield topic("alarm → SNS", "cloudwatch.amazonaws.com", values["arn"], action)
    for values in resources.of("aws_cloudwatch_event_target"):
        rule = resources.one("aws_cloudwatch_event_rule", name=values["rule"])
        if ":sqs:" in values["arn"]:
            yield queue("EventBridge → SQS", "events.amazonaws.com", rule["arn"], values["arn"])


def invoked(resources):
    """Edges into functions."""
    def function(kind, service, source, arn):
        name, version = arn.split(":function:")[1].split(":") if arn.count(":") == 7 else (arn, None)
        wrong = []
        if version is None or not version.isdigit():
            wrong.append("it does not name a published version")
        found = [p for p in resources.of("aws_lambda_permission")
                 if p["function_name"] == name and p["qualifier"] == version and p["principal"] == service]
        if not any(fnmatch.fnmatchcase(source, p["source_arn"]) and p["source_account"] == resources.account
                   and p["action"] == "lambda:InvokeFunction" for p in found):
            wrong.append(f"the function's policy does not admit {service} for this source and account on this version")
        return kind, source, arn, wrong

    for values in resources.of("aws_lambda_event_source_mapping"):
        yield function("SQS → Lambda", "sqs.amazonaws.com", values["event_source_arn"], values["function_name"])
    for machine in resources.of("aws_sfn_state_machine"):
        for arn in sorted(set(functions_of(json.loads(machine["definition"])))):
            yield function("Step Functions → Lambda", "states.amazonaws.com", machine["arn"], arn)
    for values in resources.of("aws_cloudwatch_event_target"):
        rule = resources.one("aws_cloudwatch_event_rule", name=values["rule"])
        if ":lambda:" in values["arn"]:
            yield function("schedule → Lambda", "events.amazonaws.com", rule["arn"], values["arn"])
    for values in resources.of("aws_apigatewayv2_integration"):
        api = resources.one("aws_apigatewayv2_api", id=values["api_id"])
        yield function("HTTP API → Lambda", "apigateway.amazonaws.com", api["execution_arn"] + "/$default/PUT",
                       values["integration_uri"])


def functions_of(value):
    """Every FunctionName of a definition."""
    if isinstance(value, dict):
        if "FunctionName" in value:
            yield value["FunctionName"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from functions_of(each)


def edges_are_closed(resources):
    """Every edge has a policy with source ARN and account, and a key that grants the publisher."""
    met = Counter()
    findings = []
    for kind, source, target, wrong in edges(resources):
        met[kind] += 1
        findings += [f"{kind}: {source} → {target}: {why}" for why in wrong]
    findings += [f"the walk met no edge {kind}" for kind in KINDS if not met[kind]]
    return findings


def nobody_else_may(resources):
    """No resource policy admits everybody, and S3 may not subscribe."""
    findings = []
    for kind in ("aws_sns_topic_policy", "aws_sqs_queue_policy", "aws_s3_bucket_policy"):
        for values in resources.of(kind):
            for statement in listed(json.loads(values["policy"])["Statement"]):
                if statement["Effect"] != "Allow":
                    continue
                principal = statement["Principal"]
                if principal == "*" or "*" in [p for each in principal.values() for p in listed(each)]:
                    findings.append(f"{kind} admits everybody: {statement}")
                if any("*" in action or "Subscribe" in action for action in listed(statement["Action"])):
                    findings.append(f"{kind} admits more than one action: {statement}")
    return findings


def queues_are_safe(resources):
    """Visibility, dead letters, their retention and who may use them."""
    findings = []
    functions = {f"{f['arn']}:{f['version']}": f for f in resources.of("aws_lambda_function")}
    for mapping in resources.of("aws_lambda_event_source_mapping"):
        queue = resources.one("aws_sqs_queue", arn=mapping["event_source_arn"])
        function = functions.get(mapping["function_name"])
        if not function or queue["visibility_timeout_seconds"] < 6 * function["timeout"]:
            findings.append(f"{queue['name']}: visibility is below six timeouts of what it feeds")
        if mapping["function_response_types"] != ["ReportBatchItemFailures"]:
            findings.append(f"{queue['name']}: a failed message would drop or repeat its batch")
        if not mapping["scaling_config"] or not mapping["scaling_config"][0]["maximum_concurrency"]:
            findings.append(f"{queue['name']}: no maximum concurrency")
        if not queue["redrive_policy"]:
            findings.append(f"{queue['name']}: no dead-letter queue")
    for queue in resources.of("aws_sqs_queue"):
        if not queue["redrive_policy"]:
            continue
        policy = json.loads(queue["redrive_policy"])
        dead = resources.one("aws_sqs_queue", arn=policy["deadLetterTargetArn"])
        allowed = json.loads((dead or {}).get("redrive_allow_policy") or "{}")
        if queue["arn"] not in allowed.get("sourceQueueArns", []) or allowed.get("redrivePermission") != "byQueue":
            findings.append(f"{queue['name']}: its dead-letter queue does not allow it by name")
        if not dead or dead["message_retention_seconds"] != 14 * 86400:
            findings.append(f"{queue['name']}: its dead letters do not stay 14 days")
        if queue["name"].endswith("-ingest") and policy["maxReceiveCount"] < 1000:
            findings.append("ingest: throttling could make a good image a dead letter")
    return findings


def alarms_are_right(resources):
    """Each alarm tells of itself both ways, and missing data is no breach."""
    alarms = resources.of("aws_cloudwatch_metric_alarm")
    findings = [f"{a['alarm_name']}: missing data is {a['treat_missing_data']}" for a in alarms
                if a["treat_missing_data"] != "notBreaching"]
    findings += [f"{a['alarm_name']}: it does not say both ALARM and OK" for a in alarms
                 if not a["alarm_actions"] or a["alarm_actions"] != a["ok_actions"]]
    names = {a["metric_name"] for a in alarms}
    for wanted in ("ApproximateNumberOfMessagesVisible", "DeadLetters", "ApproximateAgeOfOldestMessage", "Throttles"):
        if wanted not in names:
            findings.append(f"no alarm on {wanted}")
    aged = [a for a in alarms if a["metric_name"] == "ApproximateAgeOfOldestMessage"]
    findings += [f"{a['alarm_name']}: it goes off when the letter is gone" for a in aged if a["threshold"] >= 14 * 86400]
    # By the alarms' names: the emulator tells of no dimensions, which AWS's DescribeAlarms does.
    watched = {a["alarm_name"] for a in aged}
    findings += [f"nobody hears of what waits in {each}" for each in ("ingest", "record", "dead-letters")
                 if f"safelight-{each}-age" not in watched]
    return findings


def roles_are_their_manifests(resources, manifests):
    """Each role's actions are its manifest's, and a star stands only for actions that take no resource."""
    findings = []
    roles = {role["id"]: role for role in resources.of("aws_iam_role")}
    functions = {f["role"]: f for f in resources.of("aws_lambda_function")}
    seen = set()
    for policy in resources.of("aws_iam_role_policy"):
        role = roles[policy["role"]]
        function = functions.get(role["arn"])
        if not function:
            continue
        name = function["function_name"].removeprefix("safelight-")
        manifest = manifests.get(name)
        if manifest is None:
            findings.append(f"{name}: it has no manifest")
            continue
        seen.add(name)
        statements = listed(json.loads(policy["policy"])["Statement"])
        actions = {action for s in statements for action in listed(s["Action"])}
        wanted = set(manifest["actions"]) | LOGS | KEY | (POLLER if manifest["queue"] else set())
        if actions != wanted:
            findings.append(f"{name}: {sorted(actions - wanted)} too many, {sorted(wanted - actions)} missing")
        for statement in statements:
            if "*" in listed(statement["Resource"]) and not set(listed(statement["Action"])) <= set(manifest["starred"]):
                findings.append(f"{name}: {statement['Action']} on everything")
            if "kms:" in str(statement["Action"]) and "kms:ViaService" not in conditions(statement):
                findings.append(f"{name}: the key is not bound to a service")
    findings += [f"{name}: no role was found" for name in manifests if name not in seen]
    return findings


def manifests_of(functions):
    """What each manifest of the folder `functions` says: actions, those on a star, the queue."""
    every_branch = json.loads((functions / "branches" / "permissions.json").read_text())["permissions"]
    found = {}
    files = [(file, []) for file in functions.glob("*/function.json")]
    files += [(file, every_branch) for file in functions.glob("branches/*/branch.json")]
    for file, beside in files:
        manifest = json.loads(file.read_text())
        permissions = manifest.get("permissions", []) + beside
        found[file.parent.name] = {
            "actions": sorted({action for p in permissions for action in p["actions"]}),
            "starred": sorted({action for p in permissions if p["resource"] == "*" for action in p["actions"]}),
            "queue": manifest.get("queue"),
        }
    return found


def documented(text):
    """The actions that docs/aws.md names for each function: its own row, and the row of all but alert."""
    action = re.compile(r"`((?:[a-z0-9]+):[A-Z][A-Za-z]+)`")
    rows = {}
    table = text.split("## What each function calls")[1].split("\n## ")[0]
    for line in table.splitlines():
        cells = line.split("|")
        if len(cells) < 4:
            continue
        for name in re.findall(r"`([a-z-]+)`", cells[1]) if not cells[1].strip().startswith(("every", "a branch")) else [cells[1].strip().split(" ")[0]]:
            rows[name] = set(action.findall(line))
    return rows


def docs_say_the_same(manifests, branches, text):
    """docs/aws.md names what the manifests name."""
    rows = documented(text)
    findings = []
    for name, manifest in manifests.items():
        if name in branches:
            continue
        said = rows.get(name, set()) | (set() if name in ("alert", "upload") else rows["every"])
        if said != set(manifest["actions"]):
            findings.append(f"{name}: docs/aws.md says {sorted(said)}, its manifest {manifest['actions']}")
    return findings


CHECKS = [edges_are_closed, nobody_else_may, queues_are_safe, alarms_are_right]

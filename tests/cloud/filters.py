"""Amazon SNS's filter policies on a message's body, as its documentation describes them, for the operators we use.

The emulator's do not look into arrays, so the real policy is evaluated here against recorded notifications.
https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html
"""


def matches(policy, body):
    """Whether the policy lets the body pass: every key must match; of an array any element may."""
    if isinstance(body, list):
        return any(matches(policy, each) for each in body)
    if not isinstance(body, dict):
        return False
    for key, wanted in policy.items():
        if isinstance(wanted, dict):
            if key not in body or not matches(wanted, body[key]):
                return False
        elif not any(_one(rule, body.get(key), key in body) for rule in wanted):
            return False
    return True


def _one(rule, value, present):
    if isinstance(value, list):
        return any(_one(rule, each, True) for each in value)
    if not isinstance(rule, dict):
        return present and value == rule
    [(operator, argument)] = rule.items()
    if operator == "exists":
        return present == argument
    if operator == "anything-but":
        if isinstance(argument, dict):
            return present and not _one(argument, value, present)
        return present and value not in (argument if isinstance(argument, list) else [argument])
    if operator == "prefix":
        return isinstance(value, str) and value.startswith(argument)
    if operator == "suffix":
        return isinstance(value, str) and value.endswith(argument)
    raise AssertionError(f"the operator {operator} is not evaluated here: add it")

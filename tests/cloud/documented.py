"""The emulator, with the history of an execution as AWS documents it.

Its own has no previousEventId and nothing of the states inside a Map, so no record made of it could be compared with
that of one machine. What is added here is added beside it, when it starts, and nothing of what it decides is changed:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import contextvars
import functools
import threading

from ministack.app import main
from ministack.services import stepfunctions

# The last event of the thread of work that an event belongs to: of the execution, or of one iteration of a Map.
CHAIN = contextvars.ContextVar("chain", default=None)
LOCK = threading.Lock()

# The kinds of states that have a handler each.
KINDS = ["Task", "Parallel", "Map", "Pass", "Choice", "Wait"]


class Chain:
    def __init__(self, execution, last, inside):
        self.execution, self.last, self.inside = execution, last, inside


def chained(add_event):
    """Adds an event with the id of the one before it in its thread."""
    @functools.wraps(add_event)
    def add(execution, kind, details=None):
        chain = CHAIN.get()
        if chain is None or chain.execution is not execution:
            chain = Chain(execution, 0, False)
            CHAIN.set(chain)
        with LOCK:
            event = add_event(execution, kind, {"previousEventId": chain.last, **(details or {})})
        # What starts an execution is before none of its states.
        chain.last = 0 if kind == "ExecutionStarted" else event["id"]
        return event
    return add


def seen(kind, execute):
    """A state inside a Map is entered and exited as any other."""
    @functools.wraps(execute)
    def run(state, given, *rest):
        chain, context = CHAIN.get(), rest[-1]
        if chain is None or not chain.inside or not isinstance(context, dict):
            return execute(state, given, *rest)
        name = context["State"]["Name"]
        stepfunctions._add_event(chain.execution, f"{kind}StateEntered",
                                 {"stateEnteredEventDetails": {"name": name}})
        answer = execute(state, given, *rest)
        stepfunctions._add_event(chain.execution, f"{kind}StateExited",
                                 {"stateExitedEventDetails": {"name": name}})
        return answer
    return run


def iterated(run_sub_machine):
    """One iteration has a thread of its own, which begins where the Map began."""
    @functools.wraps(run_sub_machine)
    def run(states, start, given, execution, context):
        before = CHAIN.get()
        token = CHAIN.set(Chain(execution, before.last if before else 0, True))
        details = {"name": context["State"]["Name"], "index": context.get("Map", {}).get("Item", {}).get("Index", 0)}
        try:
            stepfunctions._add_event(execution, "MapIterationStarted", {"mapIterationStartedEventDetails": details})
            try:
                answer = run_sub_machine(states, start, given, execution, context)
            except Exception:
                stepfunctions._add_event(execution, "MapIterationFailed", {"mapIterationFailedEventDetails": details})
                raise
            stepfunctions._add_event(execution, "MapIterationSucceeded", {"mapIterationSucceededEventDetails": details})
            return answer
        finally:
            CHAIN.reset(token)
    return run


def mapped(run_map_items):
    @functools.wraps(run_map_items)
    def run(state, given, execution, context):
        stepfunctions._add_event(execution, "MapStateStarted")
        answer = run_map_items(state, given, execution, context)
        stepfunctions._add_event(execution, "MapStateSucceeded")
        return answer
    return run


def document():
    stepfunctions._add_event = chained(stepfunctions._add_event)
    stepfunctions._run_sub_machine = iterated(stepfunctions._run_sub_machine)
    stepfunctions._run_map_items = mapped(stepfunctions._run_map_items)
    for kind in KINDS:
        name = f"_execute_{kind.lower()}"
        setattr(stepfunctions, name, seen(kind, getattr(stepfunctions, name)))


if __name__ == "__main__":
    document()
    main()

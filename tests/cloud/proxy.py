"""Stands between the functions and the emulator: notes who called what, and makes calls fail on purpose."""

import collections
import http.client
import http.server
import random
import re
import threading
import time
import urllib.parse

import rekognition

# Errors as each service says them.
THROTTLED = {
    "dynamodb": (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"Rate exceeded"}'),
    "sqs": (400, b'{"__type":"com.amazonaws.sqs#RequestThrottled","message":"Rate exceeded"}'),
    "states": (400, b'{"__type":"ThrottlingException","message":"Rate exceeded"}'),
    "secretsmanager": (400, b'{"__type":"ThrottlingException","message":"Rate exceeded"}'),
    "s3": (503, b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"),
}


class Server(http.server.ThreadingHTTPServer):
    # All functions may connect at once; a connection beyond so many waits a second or more.
    request_queue_size = 1024
    daemon_threads = True


class Proxy:
    """A proxy on loopback; `with` ends it."""

    def __init__(self, target):
        self.target = urllib.parse.urlsplit(target)
        self.calls = collections.defaultdict(collections.Counter)
        self.made = collections.Counter()
        self.rate, self.random, self.lock = 0.0, random.Random(20261121), threading.Lock()
        # Calls for which this says true wait until `release` is set.
        self.held, self.holding, self.release = None, threading.Event(), threading.Event()
        self.rekognition = rekognition.Rekognition()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                try:
                    proxy.handle(self)
                except (BrokenPipeError, ConnectionResetError):
                    # Who asked was killed meanwhile.
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()

    def handle(self, request):
        """One call: noted, perhaps failed, else passed on."""
        length = int(request.headers.get("content-length") or 0)
        body = _chunks(request.rfile) if request.headers.get("transfer-encoding") else request.rfile.read(length)
        service, action = action_of(request)
        name = re.search(r"\bapp/([\w.-]+)", request.headers.get("user-agent", "") +
                         " " + request.headers.get("x-amz-user-agent", ""))
        function = name[1] if name else "unknown"
        with self.lock:
            self.calls[function][action] += 1
            fault = self.random.choice(["throttled", "fault", "lost", "late"]) if self.random.random() < self.rate else None
            self.made[fault] += 1
        if self.held and self.held(function, action):
            self.holding.set()
            self.release.wait(120)
        if service == "rekognition":
            return _answer(request, *self.rekognition.answer(body), [("content-type", "application/x-amz-json-1.1")])
        if fault == "throttled":
            return _answer(request, *THROTTLED[service])
        if fault == "fault":
            return _answer(request, 500, b'{"__type":"InternalServerError","message":"on purpose"}')
        if fault == "late":
            time.sleep(self.random.uniform(0.1, 1.5))
        try:
            status, headers, answer = self.forward(request, body)
        except OSError:
            request.close_connection = True
            return None
        if fault == "lost":
            # It was done, and nobody hears of it.
            request.close_connection = True
            return None
        return _answer(request, status, answer, headers)

    def forward(self, request, body):
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=120)
        headers = {name: value for name, value in request.headers.items()
                   if name.lower() not in ("connection", "transfer-encoding", "content-length")}
        headers["content-length"] = str(len(body))
        # The emulator would keep a connection that is closed here open for 75 seconds: thousands, until it could open
        # nothing more.
        headers["connection"] = "close"
        try:
            connection.request(request.command, request.path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()


def action_of(request):
    """Service and action of a call, as IAM names them."""
    target = request.headers.get("x-amz-target", "")
    for prefix, service in {"DynamoDB": "dynamodb", "AmazonSQS": "sqs", "AWSStepFunctions": "states",
                            "secretsmanager": "secretsmanager", "RekognitionService": "rekognition"}.items():
        if target.startswith(prefix):
            name = target.rsplit(".", 1)[1]
            # A batch is allowed by the action of one.
            return service, f"{service}:{name.removesuffix('Batch') if service == 'sqs' else name}"
    versioned = "Version" if "versionId=" in request.path else ""
    action = {"GET": f"GetObject{versioned}", "HEAD": f"GetObject{versioned}", "PUT": "PutObject",
              "DELETE": "DeleteObject"}.get(request.command, request.command)
    return "s3", f"s3:{action}"


def _chunks(stream):
    body = b""
    while True:
        size = int(stream.readline().split(b";")[0], 16)
        body += stream.read(size)
        stream.readline()
        if size == 0:
            return body


def _answer(request, status, body, headers=()):
    request.send_response_only(status)
    named = set()
    for name, value in headers:
        if name.lower() not in ("connection", "transfer-encoding", "content-length", "keep-alive"):
            request.send_header(name, value)
            named.add(name.lower())
    # What HEAD answers has the length of what it would be.
    length = next((value for name, value in headers if name.lower() == "content-length"), str(len(body)))
    request.send_header("content-length", length if request.command == "HEAD" else str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)

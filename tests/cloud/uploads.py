"""Uploads through the HTTP API that the modules make: signed requests of a client, as AWS's own SDKs sign them."""

import base64
import http.client
import json
import random
import re
import struct
import urllib.parse
import zlib

import places


def noise(side):
    """A PNG that no compression makes smaller: three bytes and a little a pixel."""
    dice = random.Random(side)
    rows = b"".join(b"\0" + dice.randbytes(3 * side) for _ in range(side))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b""))


class Client:
    """Somebody who may upload, and (`signed=False`) somebody who may not."""

    def __init__(self, running, endpoint):
        self.port = running.port
        # The API's own name, by which the emulator, like AWS, tells one API from another.
        name = re.search(r"//([0-9a-z]+)\.execute-api", endpoint)[1]
        self.host = f"{name}.execute-api.127.0.0.1:{running.port}"
        places.import_boto3()

    def ask(self, method, path, body=b"", signed=True, media_type="application/octet-stream"):
        """Status, headers and the answer's JSON."""
        from botocore import auth, awsrequest, credentials  # pylint: disable=import-outside-toplevel
        path = "/" + urllib.parse.quote(path)
        headers = {"host": self.host, "content-type": media_type}
        if signed:
            request = awsrequest.AWSRequest(method, f"http://{self.host}{path}", headers=headers, data=body)
            auth.SigV4Auth(credentials.Credentials("test", "test"), "execute-api", "us-east-1").add_auth(request)
            headers = dict(request.headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), json.loads(response.read() or b"null")
        finally:
            connection.close()

    def leave(self, key, body):
        """Asks for leave to put a large image."""
        asked = {"bytes": len(body), "head": base64.b64encode(body[:4096]).decode()}
        return self.ask("POST", f"images/{key}", json.dumps(asked).encode(), media_type="application/json")


def put(url, headers, body):
    """Puts a body where one was sent; the status."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    try:
        connection.request("PUT", f"{place.path}?{place.query}", body=body,
                           headers={**headers, "user-agent": "app/client"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()

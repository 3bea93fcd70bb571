"""Uploads through the HTTP API that the modules make: signed requests of a client, as AWS's own SDKs sign them."""

import base64
import http.client
import http.server
import json
import random
import re
import struct
import threading
import time
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


class Issuer:
    """Somebody whose tokens are taken: OpenID Connect's discovery, one RSA key, and tokens signed by it."""

    def __init__(self):
        places.import_boto3()
        from cryptography.hazmat.primitives.asymmetric import rsa  # pylint: disable=import-outside-toplevel
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                known = self.path == "/.well-known/openid-configuration"
                body = json.dumps({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"} if known else issuer.keys())
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def keys(self):
        """The key as RFC 7517 writes it."""
        numbers = self.key.public_key().public_numbers()
        modulus, exponent = (_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
                             for number in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256", "n": modulus, "e": exponent}]}

    def token(self, **claims):
        """A token as RFC 7519 has it, of an hour."""
        from cryptography.hazmat.primitives import hashes  # pylint: disable=import-outside-toplevel
        from cryptography.hazmat.primitives.asymmetric import padding  # pylint: disable=import-outside-toplevel
        now = int(time.time())
        claims = {"iss": self.url, "sub": "somebody", "iat": now - 1, "exp": now + 3600, **claims}
        signed = ".".join(_base64url(json.dumps(part).encode())
                          for part in ({"alg": "RS256", "typ": "JWT", "kid": "one"}, claims))
        return f"{signed}.{_base64url(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Client:
    """Somebody who may upload, by a signature or a token, and (`signed=False`) somebody who may not."""

    def __init__(self, running, endpoint):
        self.port = running.port
        # The API's own name, by which the emulator, like AWS, tells one API from another.
        name = re.search(r"//([0-9a-z]+)\.execute-api", endpoint)[1]
        self.host = f"{name}.execute-api.127.0.0.1:{running.port}"
        places.import_boto3()

    def ask(self, method, path, body=b"", signed=True, token=None, media_type="application/octet-stream"):
        """Status, headers and the answer's JSON."""
        from botocore import auth, awsrequest, credentials  # pylint: disable=import-outside-toplevel
        path = "/" + urllib.parse.quote(path)
        headers = {"host": self.host, "content-type": media_type}
        if token:
            headers["authorization"] = f"Bearer {token}"
        elif signed:
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

"""Every call that the account is asked for, as IAM would name its permission: a line `service:Action` each in DIRECTORY/calls.
What a role may do is held against what was really called."""

import io
import re
import urllib.parse

# The longest request that is read for its action; a longer one is an object on its way to S3.
LONGEST = 1 << 20
OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/aws4_request")


class Calls:
    def __init__(self, application, file):
        self.application = application
        self.log = open(file, "a", buffering=1)

    def __call__(self, environ, start_response):
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        action = scope and action_of(scope[1], environ)
        if action:
            self.log.write(f"{scope[1]}:{action}\n")
        return self.application(environ, start_response)


def action_of(service, environ):
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rpartition(".")[2]
    if service == "s3":
        if environ["PATH_INFO"].strip("/").count("/"):
            return OBJECTS.get(environ["REQUEST_METHOD"])
        # Settings of buckets have a query of their own each; they are not told apart here.
        return "ListBucket" if "list-type=2" in environ["QUERY_STRING"] else None
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return urllib.parse.parse_qs(body_of(environ).decode("latin-1")).get("Action", [None])[0]
    return None


def body_of(environ):
    """The request's body, left there for who comes next; none of a long one, or of one whose length is not told."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not 0 < length <= LONGEST:
        return b""
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body

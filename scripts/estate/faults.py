"""Calls that AWS refuses now and then, refused on demand: POST /faults with a JSON list of

    {"action": "RunInstances", "code": "InsufficientInstanceCapacity", "message": "…", "status": 500, "times": 1,
     "containing": "us-west-2a"}

refuses the next `times` calls of that action whose request holds the text `containing` (every one, if it is not given).
GET /faults lists those that are left, DELETE /faults forgets them.
"""

import json
import threading
import urllib.parse
import xml.sax.saxutils

from calls import body_of


class Faults:
    def __init__(self, application):
        self.application = application
        self.lock = threading.Lock()
        self.faults = []

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/faults":
            return self.administer(environ, start_response)
        if self.faults:
            body = body_of(environ)
            target = environ.get("HTTP_X_AMZ_TARGET")
            fault = self.take(action_of(target, body), body)
            if fault:
                return refuse(fault, target, start_response)
        return self.application(environ, start_response)

    def administer(self, environ, start_response):
        with self.lock:
            if environ["REQUEST_METHOD"] == "POST":
                self.faults += [{"times": 1, "status": 400, **fault} for fault in json.loads(body_of(environ))]
            elif environ["REQUEST_METHOD"] == "DELETE":
                self.faults = []
            answer = json.dumps(self.faults).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    def take(self, action, body):
        with self.lock:
            for fault in self.faults:
                if fault["action"] == action and fault.get("containing", "").encode() in body:
                    fault["times"] -= 1
                    self.faults = [left for left in self.faults if left["times"] > 0]
                    return fault
        return None


def action_of(target, body):
    if target:
        return target.rpartition(".")[2]
    return urllib.parse.parse_qs(body.decode("latin-1")).get("Action", [None])[0]


def refuse(fault, target, start_response):
    code, message = fault["code"], fault.get("message", fault["code"])
    if target:
        kind, answer = "application/x-amz-json-1.0", json.dumps({"__type": code, "message": message})
    else:
        code, message = (xml.sax.saxutils.escape(text) for text in (code, message))
        kind = "text/xml"
        answer = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>0</RequestID></Response>"
    body = answer.encode()
    start_response(f"{fault['status']} Refused", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]

"""A service as people write them: it answers with what its own process sees, hashed and encrypted by its libraries."""

import hashlib
import json
import os
import ssl
import threading


def application(environ, start_response):
    """WSGI: any path, with JSON."""
    answer = []
    worker = threading.Thread(target=lambda: answer.append(hashlib.sha384(b"treza").hexdigest()))
    worker.start()
    worker.join()
    body = json.dumps(
        {
            "path": environ["PATH_INFO"],
            "user": os.getuid(),
            "folder": os.getcwd(),
            "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
            "library": ssl.OPENSSL_VERSION,
            "sha384": answer[0],
        }
    ).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

"""An AWS account on this machine: moto, and at its outermost edges what it cannot do itself.

    account.py DIRECTORY [--port N]

listens on 127.0.0.1 only and writes `host:port` to DIRECTORY/address. It ends at SIGTERM or SIGINT, and ends every task
that it started. What is not moto's own stands beside this file, one subject each:

    calls.py     what was called, in DIRECTORY/calls
    gaps.py      operations that Terraform's provider calls and moto lacks
    functions.py lambda:invoke of a state machine goes to the Lambda service in $TREZA_LAMBDA_SERVICE
    fargate.py   ecs:runTask of a state machine runs the program in $TREZA_FARGATE
    faults.py    calls that are refused, as many as were asked for
"""

import argparse
import logging
import os
import pathlib
import signal
import threading

# Read by moto when it is imported. AWS's managed policies are among what Terraform attaches.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
# The calls that state machines make of this account are signed with anything.
os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")

from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

import calls
import fargate
import faults
import functions
import gaps


class Serialised:
    """Calls that hang on a condition, one after another. AWS decides and writes at once; moto does it with other threads
    between, so that two writers could both win one condition, one execution's name start twice, a lock be taken twice."""

    SERVICES = ("DynamoDB_", "DynamoDBStreams_", "AWSStepFunctions.")

    def __init__(self, application):
        self.application = application
        self.locks = {service: threading.Lock() for service in self.SERVICES}
        self.conditional_put = threading.Lock()

    def __call__(self, environ, start_response):
        lock = self.lock_of(environ)
        if lock is None:
            return self.application(environ, start_response)
        with lock:
            return list(self.application(environ, start_response))

    def lock_of(self, environ):
        # S3's conditional PutObject: how Terraform takes the lock of a state.
        if environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_NONE_MATCH" in environ:
            return self.conditional_put
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        return next((lock for service, lock in self.locks.items() if target.startswith(service)), None)


def main():
    arguments = argparse.ArgumentParser(description="an AWS account on 127.0.0.1")
    arguments.add_argument("directory", type=pathlib.Path)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--verbose", action="store_true", help="log each request")
    options = arguments.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.INFO if options.verbose else logging.ERROR)

    # A state that failed is in the execution's history; this logs the whole parsed machine as well.
    logging.getLogger("moto.stepfunctions.parser.asl.component.eval_component").setLevel(logging.CRITICAL)

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    default_user_config["lambda"] = {"use_docker": False}
    gaps.close()
    functions.bind()
    fargate.bind(options.directory / "tasks")

    application = calls.Calls(Serialised(DomainDispatcherApplication(create_backend_app)), options.directory / "calls")
    application = faults.Faults(application)
    server = make_server("127.0.0.1", options.port, application, threaded=True, request_handler=MotoRequestHandler)
    # Where moto's interpreter of state machines finds this account.
    os.environ["MOTO_PORT"] = str(server.server_port)

    def stop(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    address = options.directory / "address"
    unfinished = options.directory / "address.new"
    unfinished.write_text(f"127.0.0.1:{server.server_port}\n")
    unfinished.rename(address)
    print(f"an AWS account on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    finally:
        address.unlink(missing_ok=True)
        fargate.stop_all()


if __name__ == "__main__":
    main()

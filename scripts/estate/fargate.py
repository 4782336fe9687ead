"""ecs:runTask.sync of a state machine: moto marks the task as run. Here it is run: the program $TREZA_FARGATE with the
override's command as arguments, and the task definition's environment with the override's over it, as a container would have
it. Cluster, task definition, subnets and security groups must be there. Output goes to DIRECTORY/<task>.log. An exit code
other than 0 fails the state as in AWS; a state that times out or is stopped stops the task, with SIGTERM and then SIGKILL.
"""

import json
import os
import signal
import subprocess
import threading
import uuid

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import StateTaskServiceEcs
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for

# Fargate's own, where the container does not say it.
STOP_SECONDS = 30

running = {}


def bind(directory):
    original_sync = StateTaskServiceEcs._eval_sync

    # The names of the arguments are moto's, which calls these by name.
    def run_task(state, env, resource_runtime_part, normalised_parameters, state_credentials):
        try:
            task = Task(directory, resource_runtime_part.region, normalised_parameters, state_credentials)
        except ClientError as error:
            fail(state, env, f"ECS.{error.response['Error']['Code']}", error.response["Error"]["Message"])
        running[task.arn] = task
        env.stack.append({"Tasks": [task.describe()], "Failures": []})

    def resolver(state, env, **_):
        task = running[env.stack.pop()["Tasks"][0]["TaskArn"]]

        def ended():
            if task.process.poll() is None:
                return None
            if task.process.returncode != 0:
                fail(state, env, "States.TaskFailed", json.dumps(task.describe()))
            return task.describe()

        ended.task = task
        return ended

    def sync(state, env, sync_resolver, *arguments, **named):
        try:
            return original_sync(state, env, sync_resolver, *arguments, **named)
        finally:
            sync_resolver.task.stop()
            running.pop(sync_resolver.task.arn)

    StateTaskServiceEcs._normalise_parameters = lambda state, parameters, *_: lower(parameters)
    StateTaskServiceEcs._eval_service_task = run_task
    StateTaskServiceEcs._build_sync_resolver = resolver
    StateTaskServiceEcs._eval_sync = sync


def stop_all():
    for task in list(running.values()):
        task.stop()


class Task:
    def __init__(self, directory, region, parameters, credentials):
        program = os.environ.get("TREZA_FARGATE")
        if not program:
            raise RuntimeError("a state machine runs a task, and there is nothing to run: set TREZA_FARGATE")
        check_placement(region, parameters, credentials)
        definition = definition_of(region, parameters, credentials)
        container = definition["containerDefinitions"][0]
        override = override_of(parameters, container["name"])

        self.parameters = parameters
        self.container = container["name"]
        self.definition_arn = definition["taskDefinitionArn"]
        self.stop_seconds = container.get("stopTimeout", STOP_SECONDS)
        identifier = uuid.uuid4().hex
        self.arn = f"{parameters['cluster'].replace(':cluster/', ':task/')}/{identifier}"
        environment = {pair["name"]: pair["value"] for pair in container.get("environment", []) + override.get("environment", [])}
        directory.mkdir(parents=True, exist_ok=True)
        with open(directory / f"{identifier}.log", "wb") as log:
            self.process = subprocess.Popen(
                [program, *(override.get("command") or container.get("command") or [])],
                env={**ambient(region), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def describe(self):
        """As AWS puts it into a state's output, and into the cause of States.TaskFailed."""
        code = self.process.poll()
        task = {"TaskArn": self.arn, "ClusterArn": self.parameters["cluster"], "TaskDefinitionArn": self.definition_arn}
        container = {"Name": self.container, "TaskArn": self.arn}
        if code is None:
            return {**task, "LastStatus": "RUNNING", "Containers": [{**container, "LastStatus": "RUNNING"}]}
        return {
            **task,
            "LastStatus": "STOPPED",
            "StopCode": "EssentialContainerExited",
            "StoppedReason": "Essential container in task exited",
            # A process that a signal ended has 128 and the signal's number, as in a container.
            "Containers": [{**container, "LastStatus": "STOPPED", "ExitCode": code if code >= 0 else 128 - code}],
        }

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(self.stop_seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        try:
            # What it left behind in its own session: a container takes its processes with it.
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def check_placement(region, parameters, credentials):
    """Refuses, as AWS would, a cluster or a network that is not there."""
    clusters = boto_client_for(region, "ecs", credentials).describe_clusters(clusters=[parameters["cluster"]])["clusters"]
    network = parameters.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    if not clusters or not network.get("subnets"):
        problem = {"Code": "InvalidParameterException", "Message": f"no such cluster, or no subnets: {parameters}"}
        raise ClientError({"Error": problem}, "RunTask")
    ec2 = boto_client_for(region, "ec2", credentials)
    ec2.describe_subnets(SubnetIds=network["subnets"])
    ec2.describe_security_groups(GroupIds=network.get("securityGroups", []))


def definition_of(region, parameters, credentials):
    ecs = boto_client_for(region, "ecs", credentials)
    return ecs.describe_task_definition(taskDefinition=parameters["taskDefinition"])["taskDefinition"]


def override_of(parameters, container):
    for override in parameters.get("overrides", {}).get("containerOverrides", []):
        if override.get("name") == container:
            return override
    return {}


def ambient(region):
    """What Fargate gives a container besides its definition, and where this account listens."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['MOTO_PORT']}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def fail(state, env, error, cause):
    details = TaskFailedEventDetails(
        resourceType=state._get_sfn_resource_type(), resource=state._get_sfn_resource(), error=error, cause=cause
    )
    raise FailureEventException(
        FailureEvent(
            env=env,
            error_name=StatesErrorName.from_name(error) if error.startswith("States.") else CustomErrorName(error),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )
    )


def lower(value):
    """Step Functions writes a call's names with a capital, ECS without. In place, as moto asks for it."""
    if isinstance(value, dict):
        for key in list(value):
            inner = value.pop(key)
            lower(inner)
            value[key[:1].lower() + key[1:]] = inner
    elif isinstance(value, list):
        for inner in value:
            lower(inner)

"""Operations that Terraform's provider (5.100) calls and moto (5.2) does not know. Each answers with what is so in this
account, or as AWS answers where there is nothing."""

import json
import uuid

from moto.budgets.responses import BudgetsResponse
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse


def close():
    StepFunctionResponse.validate_state_machine_definition = validate_state_machine_definition
    StepFunctionsParserBackend.start_execution = named(StepFunctionsParserBackend.start_execution)
    StepFunctionResponse.list_state_machine_versions = lambda _: json.dumps({"stateMachineVersions": []})
    BudgetsResponse.describe_subscribers_for_notification = describe_subscribers_for_notification
    BudgetsResponse.list_tags_for_resource = lambda _: json.dumps({"ResourceTags": []})


def validate_state_machine_definition(response):
    """Parsed by the interpreter that will run it."""
    try:
        AmazonStateLanguageParser.parse(response._get_param("definition"))
        answer = {"result": "OK", "diagnostics": []}
    except Exception as error:
        problem = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": repr(error)}
        answer = {"result": "FAIL", "diagnostics": [problem]}
    return json.dumps({**answer, "truncated": False})


def describe_subscribers_for_notification(response):
    return json.dumps({"Subscribers": []})


def named(start_execution):
    """AWS names an execution that its starter did not; moto would give all of them one name."""

    def start(backend, machine, name=None, *arguments):
        return start_execution(backend, machine, name or str(uuid.uuid4()), *arguments)

    return start

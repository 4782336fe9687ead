"""Operations that Terraform's provider (5.100) calls and moto (5.2) does not know, and where moto answers what AWS would not.
Each answers with what is so in this account, or as AWS answers where there is nothing."""

import copy
import json
import uuid

from moto.budgets.responses import BudgetsResponse
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.s3.models import FakeBucket, FakeDeleteMarker
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse


def close():
    StepFunctionResponse.validate_state_machine_definition = validate_state_machine_definition
    StepFunctionsParserBackend.start_execution = named(StepFunctionsParserBackend.start_execution)
    StepFunctionResponse.list_state_machine_versions = lambda _: json.dumps({"stateMachineVersions": []})
    FakeBucket.get_permission = unconditional(FakeBucket.get_permission)
    Instance.terminate = with_its_interface(Instance.terminate)
    NatGatewayBackend.delete_nat_gateway = with_the_gateways_interface(NatGatewayBackend.delete_nat_gateway)
    InstanceResponse.run_instances = with_enclave_options(InstanceResponse.run_instances)
    NetworkInterface.association = property(of_an_address(NetworkInterface.association.fget))
    # moto closes the file of each version that it takes away; a delete marker has none.
    FakeDeleteMarker.dispose = lambda _: None
    BudgetsResponse.describe_subscribers_for_notification = describe_subscribers_for_notification
    BudgetsResponse.create_budget = tagged(BudgetsResponse.create_budget)
    BudgetsResponse.list_tags_for_resource = list_tags_for_budget


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
    budget = budget_of(response, response._get_param("BudgetName"))
    asked = response._get_param("Notification")
    named = ("ComparisonOperator", "NotificationType", "Threshold")
    found = [n.subscribers for n in budget.notifications if all(n.details[key] == asked[key] for key in named)]
    return json.dumps({"Subscribers": found[0] if found else []})


def with_enclave_options(run_instances):
    """moto forgets them, and Terraform would make the instance anew."""

    def run(response):
        answer = run_instances(response)
        enabled = (response._get_param("EnclaveOptions") or {}).get("Enabled")
        for instance in answer.result.instances:
            instance.enclave_options = {"Enabled": enabled in (True, "true")}
        return answer

    return run


def of_an_address(association):
    """An interface without a public address has none; moto answers an empty one, and Terraform would make the instance anew."""
    return lambda interface: association(interface) or None


def tagged(create_budget):
    """moto drops a budget's tags."""

    def create(response):
        answer = create_budget(response)
        budget_of(response, response._get_param("Budget")["BudgetName"]).tags = response._get_param("ResourceTags") or []
        return answer

    return create


def list_tags_for_budget(response):
    name = response._get_param("ResourceARN").rpartition("/")[2]
    return json.dumps({"ResourceTags": budget_of(response, name).tags})


def budget_of(response, name):
    return response.backend.budgets[response.current_account][name]


def named(start_execution):
    """AWS names an execution that its starter did not; moto would give all of them one name."""

    def start(backend, machine, name=None, *arguments):
        return start_execution(backend, machine, name or str(uuid.uuid4()), *arguments)

    return start


def unconditional(get_permission):
    """moto reads no conditions of a bucket's policy, so that "nothing without TLS" would be nothing at all."""

    def permission(bucket, action, resource):
        whole = bucket.policy
        if whole is None:
            return get_permission(bucket, action, resource)
        policy = json.loads(whole)
        policy["Statement"] = [statement for statement in policy["Statement"] if "Condition" not in statement]
        readable = copy.copy(bucket)
        readable.policy = json.dumps(policy).encode() if policy["Statement"] else None
        return get_permission(readable, action, resource)

    return permission


def with_its_interface(terminate):
    """AWS deletes with an instance the network interface that RunInstances made for it, unless it was told otherwise."""

    def end(instance):
        for interface in instance.nics.values():
            interface.delete_on_termination = True
        return terminate(instance)

    return end


def with_the_gateways_interface(delete_nat_gateway):
    """AWS deletes a NAT gateway's network interface with it."""

    def delete(backend, gateway):
        deleted = delete_nat_gateway(backend, gateway)
        backend.enis.pop(deleted._eni.id, None)
        return deleted

    return delete

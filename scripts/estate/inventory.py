"""What an account holds, as JSON: kinds of things, and the names of each. `inventory.py` prints it;
`inventory.py BEFORE.json` compares, prints what came and what went, and ends with 1 where anything did.

The account is that of AWS_ENDPOINT_URL. What AWS shows for a while after its end (keys that wait for their deletion,
terminated instances, inactive clusters, deleted endpoints) is not there any more.
"""

import json
import os
import pathlib
import sys

import boto3
from botocore.config import Config

KINDS = {
    "addresses": ("ec2", "describe_addresses", "Addresses", "AllocationId"),
    "alarms": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "dashboards": ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "event rules": ("events", "list_rules", "Rules", "Name"),
    "event source mappings": ("lambda", "list_event_source_mappings", "EventSourceMappings", "FunctionArn"),
    "flow logs": ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    "functions": ("lambda", "list_functions", "Functions", "FunctionName"),
    "instance profiles": ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    "internet gateways": ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    "log groups": ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "machines": ("stepfunctions", "list_state_machines", "stateMachines", "name"),
    "network interfaces": ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    "parameters": ("ssm", "describe_parameters", "Parameters", "Name"),
    "queues": ("sqs", "list_queues", "QueueUrls", None),
    "repositories": ("ecr", "describe_repositories", "repositories", "repositoryName"),
    "roles": ("iam", "list_roles", "Roles", "Arn"),
    "route tables": ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    "secrets": ("secretsmanager", "list_secrets", "SecretList", "Name"),
    "security groups": ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    "subnets": ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    "subscriptions": ("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    "tables": ("dynamodb", "list_tables", "TableNames", None),
    "topics": ("sns", "list_topics", "Topics", "TopicArn"),
    "volumes": ("ec2", "describe_volumes", "Volumes", "VolumeId"),
    "vpcs": ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
}


def client(service):
    addressing = Config(s3={"addressing_style": "path"})
    return boto3.client(service, region_name=os.environ.get("AWS_REGION", "us-west-2"), config=addressing)


def names(service, call, listed, name):
    source = client(service)
    pages = source.get_paginator(call).paginate() if source.can_paginate(call) else [getattr(source, call)()]
    found = (item if name is None else item[name] for page in pages for item in page.get(listed, []))
    # AWS's own parameters are in every account.
    return sorted(name for name in found if not name.startswith("/aws/service/"))


def instances():
    live = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped", "shutting-down"]}]
    reservations = client("ec2").describe_instances(Filters=live)["Reservations"]
    return sorted(instance["InstanceId"] for reservation in reservations for instance in reservation["Instances"])


def clusters():
    ecs = client("ecs")
    found = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    return sorted(cluster["clusterName"] for cluster in found if cluster["status"] == "ACTIVE")


def endpoints():
    found = client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return sorted(endpoint["ServiceName"] for endpoint in found if endpoint["State"] not in ("deleting", "deleted"))


def nat_gateways():
    found = client("ec2").describe_nat_gateways()["NatGateways"]
    return sorted(gateway["NatGatewayId"] for gateway in found if gateway["State"] not in ("deleting", "deleted"))


def keys():
    kms = client("kms")
    found = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    # Keys of AWS's own making come with the first use of a service, and stay. (moto calls them a customer's.)
    made_here = [key for key in found if key["KeyManager"] == "CUSTOMER" and not key["Description"].startswith("Default ")]
    return sorted(key["KeyId"] for key in made_here if key["KeyState"] != "PendingDeletion")


def policies():
    pages = client("iam").get_paginator("list_policies").paginate(Scope="Local")
    return sorted(policy["Arn"] for page in pages for policy in page["Policies"])


def budgets():
    account = client("sts").get_caller_identity()["Account"]
    return sorted(budget["BudgetName"] for budget in client("budgets").describe_budgets(AccountId=account)["Budgets"])


def locks():
    """Locks of Terraform's state that are held."""
    s3 = client("s3")
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    objects = [item["Key"] for bucket in buckets for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return sorted(name for name in objects if name.endswith(".tflock"))


def inventory():
    held = {kind: names(*how) for kind, how in KINDS.items()}
    held |= {"clusters": clusters(), "endpoints": endpoints(), "instances": instances(), "keys": keys()}
    held |= {"budgets": budgets(), "NAT gateways": nat_gateways(), "policies": policies(), "state locks": locks()}
    held["buckets"] = sorted(bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"])
    return held


def main():
    now = inventory()
    if len(sys.argv) == 1:
        print(json.dumps(now, indent=1))
        return 0
    before = json.loads(pathlib.Path(sys.argv[1]).read_text())
    changes = [f"{kind}: came {name}" for kind in now for name in now[kind] if name not in before[kind]]
    changes += [f"{kind}: went {name}" for kind in now for name in before[kind] if name not in now[kind]]
    print("\n".join(changes) or "nothing came and nothing went")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())

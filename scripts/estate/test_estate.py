"""The estate as it was applied, asked of the account's own APIs: `test_estate.py Base|Runtime|Host|Runner|Survivors`."""

import base64
import json
import os
import pathlib
import unittest
import urllib.parse

from inventory import client

PREFIX = "treza-dev"
HOST = [{"Name": "tag:treza:id", "Values": ["enc_1"]}, {"Name": "instance-state-name", "Values": ["running"]}]


def table(name):
    return client("dynamodb").describe_table(TableName=f"{PREFIX}-{name}")["Table"]


def document(policy):
    """IAM's answers are URL-encoded; boto3 decodes most of them."""
    return policy if isinstance(policy, dict) else json.loads(urllib.parse.unquote(policy))


class Base(unittest.TestCase):
    def test_tables_have_streams_and_indexes(self):
        for name in ("enclaves", "reports"):
            self.assertEqual(table(name)["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES")
        self.assertNotIn("StreamSpecification", table("turns"))
        projections = {index["IndexName"]: index["Projection"] for index in table("enclaves")["GlobalSecondaryIndexes"]}
        self.assertEqual(projections["StatusIndex"], {"ProjectionType": "KEYS_ONLY"})
        for name in ("HostIndex", "WalletIndex"):
            self.assertEqual(projections[name], {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status"]})

    def test_tables_can_be_restored(self):
        for name in ("enclaves", "reports", "turns"):
            backups = client("dynamodb").describe_continuous_backups(TableName=f"{PREFIX}-{name}")
            recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
            self.assertEqual(recovery["PointInTimeRecoveryStatus"], "ENABLED")

    def test_a_row_is_kept_for_the_survivors(self):
        client("dynamodb").put_item(TableName=f"{PREFIX}-enclaves", Item={"id": {"S": "kept"}, "status": {"S": "DESTROYED"}})

    def test_state_is_in_its_bucket_and_nowhere_unlocked(self):
        bucket = f"{PREFIX}-state-123456789012-us-west-2"
        names = [item["Key"] for item in client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
        self.assertEqual(names, ["base.tfstate"])


class Runtime(unittest.TestCase):
    def test_streams_wake_the_functions_that_they_should(self):
        mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]
        by_function = {mapping["FunctionArn"].rpartition(":")[2]: mapping for mapping in mappings}
        self.assertEqual(set(by_function), {f"{PREFIX}-trigger", f"{PREFIX}-verify-report"})
        for function, name in (("trigger", "rows"), ("verify-report", "reports")):
            mapping = by_function[f"{PREFIX}-{function}"]
            self.assertEqual(mapping["BatchSize"], 100)
            self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
            self.assertTrue(mapping["BisectBatchOnFunctionError"])
            self.assertTrue(mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith(f":{PREFIX}-{name}-failed"))
        patterns = [json.loads(f["Pattern"]) for f in by_function[f"{PREFIX}-trigger"]["FilterCriteria"]["Filters"]]
        statuses = [pattern["dynamodb"]["NewImage"]["status"]["S"] for pattern in patterns]
        ours = ["DEPLOYING", "DEPLOYED", "DESTROYING", "DESTROYED", "PAUSED"]
        self.assertCountEqual(statuses, [[{"anything-but": ours}], [{"exists": False}]])

    def test_every_function_has_a_role_of_its_own(self):
        functions = client("lambda").list_functions()["Functions"]
        self.assertEqual(len(functions), 10)
        self.assertEqual(len({function["Role"] for function in functions}), 10)
        for function in functions:
            self.assertEqual(function["Handler"], function["FunctionName"].removeprefix(f"{PREFIX}-"))
            self.assertEqual(function["Environment"]["Variables"]["TREZA_ROWS_TABLE"], f"{PREFIX}-enclaves")

    def test_machines_name_functions_that_are_there(self):
        states, functions = client("stepfunctions"), client("lambda")
        there = {function["FunctionArn"] for function in functions.list_functions()["Functions"]}
        for machine in states.list_state_machines()["stateMachines"]:
            definition = json.loads(states.describe_state_machine(stateMachineArn=machine["stateMachineArn"])["definition"])
            named = {state["Parameters"]["FunctionName"] for state in definition["States"].values() if "FunctionName" in state.get("Parameters", {})}
            self.assertTrue(named)
            self.assertLessEqual(named, there)

    def test_the_command_finds_what_it_needs(self):
        value = client("ssm").get_parameter(Name="/treza/dev/runtime")["Parameter"]["Value"]
        self.assertEqual(json.loads(value)["rows_table"], f"{PREFIX}-enclaves")


class Host(unittest.TestCase):
    def setUp(self):
        self.ec2 = client("ec2")
        self.instance = self.ec2.describe_instances(Filters=HOST)["Reservations"][0]["Instances"][0]

    def test_user_data_is_the_same_for_every_row(self):
        answer = self.ec2.describe_instance_attribute(InstanceId=self.instance["InstanceId"], Attribute="userData")
        data = base64.b64decode(answer["UserData"]["Value"]).decode()
        self.assertLess(len(data), 16384)
        self.assertNotIn("enc_1", data)
        first, configuration = data.split("\n", 1)
        self.assertEqual(first, "#cloud-config")
        files = {file["path"]: file["content"] for file in json.loads(configuration)["write_files"]}
        self.assertIn(f'rows = "{PREFIX}-enclaves"', files["/etc/treza/host.toml"])

    def test_it_stands_in_the_zone_that_was_asked_for_without_a_public_address(self):
        subnets = json.loads(client("ssm").get_parameter(Name="/treza/dev/runtime")["Parameter"]["Value"])["host_subnet_ids"]
        self.assertEqual(self.instance["SubnetId"], subnets[1])
        self.assertNotIn("PublicIpAddress", self.instance)
        self.assertNotIn("KeyName", self.instance)

    def test_its_role_is_bounded_and_its_own(self):
        iam = client("iam")
        profile = self.instance["IamInstanceProfile"]["Arn"].rpartition("/")[2]
        role = iam.get_role(RoleName=iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"][0]["RoleName"])["Role"]
        self.assertEqual(role["Path"], "/treza/dev/")
        self.assertTrue(role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(f":policy/{PREFIX}-host-boundary"))
        assignments = document(iam.get_role_policy(RoleName=role["RoleName"], PolicyName="assignments")["PolicyDocument"])
        keys = assignments["Statement"][0]["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
        self.assertEqual(keys, [self.instance["InstanceId"]])

    def test_its_logs_are_where_the_application_reads_them(self):
        groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/ec2/enclave/")["logGroups"]
        self.assertEqual([group["logGroupName"] for group in groups], ["/aws/ec2/enclave/enc_1"])


class Runner(unittest.TestCase):
    """Terraform's calls for a host, from its apply to its end, against the policy of the role that makes them in AWS."""

    # Needs no permission.
    FREE = {"sts:GetCallerIdentity"}
    # Permissions that are no calls, or whose calls Terraform did not make for this host, each with its reason.
    NOT_CALLED = {
        "iam:PassRole": "asked of whoever calls RunInstances or AddRoleToInstanceProfile",
        "iam:TagRole": "asked of whoever calls CreateRole with tags",
        "iam:TagInstanceProfile": "asked of whoever calls CreateInstanceProfile with tags",
        "kms:TagResource": "asked of whoever calls CreateKey with tags",
        "logs:TagResource": "asked of whoever calls CreateLogGroup with tags",
        "logs:AssociateKmsKey": "asked of whoever calls CreateLogGroup with a key",
        "ec2:CreateTags": "asked of whoever calls RunInstances with tags",
        "kms:Decrypt": "S3's, for the state",
        "kms:GenerateDataKey": "S3's, for the state",
        "kms:PutKeyPolicy": "Terraform's, where a row is deployed again: PCR16 is another",
        "dynamodb:GetItem": "the runner's own, for row and turn",
        "dynamodb:UpdateItem": "the runner's own, for the turn",
        "ecr:GetAuthorizationToken": "the runner's own, to measure an image",
        "ecr:BatchGetImage": "the runner's own, to measure an image",
        "ecr:GetDownloadUrlForLayer": "the runner's own, to measure an image",
    }

    def test_the_runner_may_what_is_called_and_no_more(self):
        policy = document(client("iam").get_role_policy(RoleName=f"{PREFIX}-runner", PolicyName="runner")["PolicyDocument"])
        actions = [statement["Action"] for statement in policy["Statement"]]
        permitted = {action for one in actions for action in ([one] if isinstance(one, str) else one)}
        called = set(pathlib.Path(os.environ["CALLS"]).read_text().split())
        self.assertEqual(called - permitted - self.FREE, set(), "called, and not permitted")
        self.assertEqual(permitted - called - set(self.NOT_CALLED), set(), "permitted, not called, and without a reason")


class Survivors(unittest.TestCase):
    def test_what_is_kept_outlives_runtime(self):
        row = client("dynamodb").get_item(TableName=f"{PREFIX}-enclaves", Key={"id": {"S": "kept"}})
        self.assertEqual(row["Item"]["status"]["S"], "DESTROYED")
        self.assertEqual(client("lambda").list_functions()["Functions"], [])


if __name__ == "__main__":
    unittest.main()

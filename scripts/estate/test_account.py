"""The account's own edges, each against the running account: `target/estate-venv/bin/python scripts/estate/test_account.py`."""

import http.server
import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = pathlib.Path(__file__).parent
REGION = "us-west-2"
TASK = """#!/bin/sh
echo "$1 $TREZA_ENVIRONMENT $TREZA_TURN"
trap 'echo asked to stop; exit 0' TERM
case $1 in
apply) exit 0 ;;
measure) sleep 60 & wait ;;
*) exit 7 ;;
esac
"""


class LambdaService(http.server.BaseHTTPRequestHandler):
    """Lambda's Invoke API with one function that succeeds and one that fails."""

    def do_POST(self):
        payload = self.rfile.read(int(self.headers["Content-Length"]))
        refused = self.path.split("/")[3] == "treza-test-refusing"
        answer = b'{"errorType": "Refused", "errorMessage": "no"}' if refused else b'{"taken": ' + payload + b"}"
        self.send_response(200)
        if refused:
            self.send_header("X-Amz-Function-Error", "Unhandled")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def client(service):
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=Account.endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


class Account(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        program = cls.directory / "program"
        program.write_text(TASK)
        program.chmod(stat.S_IRWXU)
        service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), LambdaService)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        cls.addClassCleanup(service.server_close)
        cls.addClassCleanup(service.shutdown)
        environment = {
            **os.environ,
            "TREZA_LAMBDA_SERVICE": f"http://127.0.0.1:{service.server_port}",
            "TREZA_FARGATE": str(program),
        }
        account = subprocess.Popen([sys.executable, HERE / "account.py", cls.directory], env=environment, stdout=subprocess.DEVNULL)
        cls.addClassCleanup(account.wait, 60)
        cls.addClassCleanup(account.terminate)
        address = cls.directory / "address"
        while not address.exists():
            if account.poll() is not None:
                raise RuntimeError("the account ended at once")
            time.sleep(0.05)
        Account.endpoint = f"http://{address.read_text().strip()}"
        cls.prepare()

    @classmethod
    def prepare(cls):
        policy = json.dumps({"Version": "2012-10-17", "Statement": []})
        cls.role = client("iam").create_role(RoleName="test", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
        for name in ("taking", "refusing"):
            client("lambda").create_function(
                FunctionName=f"treza-test-{name}", Role=cls.role, Runtime="provided.al2023", Handler=name, Code={"ZipFile": b"no"}
            )
        ecs, ec2 = client("ecs"), client("ec2")
        cls.cluster = ecs.create_cluster(clusterName="treza-test")["cluster"]["clusterArn"]
        container = {"name": "runner", "image": "none", "memory": 512, "stopTimeout": 5}
        container["environment"] = [{"name": "TREZA_ENVIRONMENT", "value": "test"}]
        definition = ecs.register_task_definition(family="treza-test", containerDefinitions=[container])
        cls.definition = definition["taskDefinition"]["taskDefinitionArn"]
        cls.subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]

    def run_machine(self, state, value=None):
        """Runs a machine of one state; its end, and seconds."""
        states = client("stepfunctions")
        definition = {"StartAt": "Only", "States": {"Only": {"End": True, **state}}}
        machine = states.create_state_machine(name=self.id().rpartition(".")[2] + str(time.time_ns()), definition=json.dumps(definition), roleArn=self.role)
        started = time.monotonic()
        execution = states.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(value or {}))
        while True:
            end = states.describe_execution(executionArn=execution["executionArn"])
            if end["status"] != "RUNNING":
                return end, time.monotonic() - started
            self.assertLess(time.monotonic() - started, 60)
            time.sleep(0.1)

    def invoking(self, name):
        function = f"arn:aws:lambda:{REGION}:123456789012:function:treza-test-{name}"
        parameters = {"FunctionName": function, "Payload.$": "$"}
        return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters}

    def running(self, command, **more):
        turn = {"Name": "TREZA_TURN", "Value.$": "States.JsonToString($)"}
        network = {"AwsvpcConfiguration": {"Subnets": [self.subnet]}}
        parameters = {
            "Cluster": self.cluster,
            "TaskDefinition": self.definition,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": network,
            "Overrides": {"ContainerOverrides": [{"Name": "runner", "Command": [command], "Environment": [turn]}]},
        }
        return {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Parameters": parameters, **more}

    def logs(self):
        return "".join(log.read_text() for log in (self.directory / "tasks").glob("*.log"))

    def test_a_machine_invokes_the_function(self):
        end, _ = self.run_machine(self.invoking("taking"), {"id": "enc_1"})
        self.assertEqual(json.loads(end["output"])["Payload"], {"taken": {"id": "enc_1"}})

    def test_a_functions_error_has_its_name(self):
        end, _ = self.run_machine(self.invoking("refusing"))
        self.assertEqual((end["status"], end["error"]), ("FAILED", "Refused"))
        self.assertEqual(json.loads(end["cause"])["errorMessage"], "no")

    def test_a_function_that_was_not_applied_is_not_invoked(self):
        end, _ = self.run_machine(self.invoking("absent"))
        self.assertEqual(end["error"], "Lambda.ResourceNotFoundException")

    def test_a_task_has_the_definitions_environment_and_the_overrides(self):
        end, _ = self.run_machine(self.running("apply"), {"id": "enc_2"})
        self.assertEqual(end["status"], "SUCCEEDED", end)
        self.assertEqual(json.loads(end["output"])["Containers"][0]["ExitCode"], 0)
        self.assertIn('apply test {"id":"enc_2"}', self.logs().replace('": ', '":'))

    def test_a_tasks_exit_code_fails_the_state(self):
        end, _ = self.run_machine(self.running("destroy"))
        self.assertEqual(end["error"], "States.TaskFailed")
        self.assertEqual(json.loads(end["cause"])["Containers"][0]["ExitCode"], 7)

    def test_a_state_that_times_out_stops_its_task(self):
        end, seconds = self.run_machine(self.running("measure", TimeoutSeconds=5))
        self.assertEqual(end["error"], "States.Timeout")
        self.assertLess(seconds, 50)
        for _ in range(100):
            if "asked to stop" in self.logs():
                break
            time.sleep(0.1)
        self.assertIn("asked to stop", self.logs())

    def test_a_machine_finds_stops_and_starts_an_instance_by_its_tags(self):
        tags = [{"Key": "treza:id", "Value": "enc_3"}]
        specification = [{"ResourceType": "instance", "Tags": tags}]
        ec2 = client("ec2")
        image = ec2.describe_images()["Images"][0]["ImageId"]
        made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=specification)
        instance = made["Instances"][0]["InstanceId"]
        find = {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:ec2:describeInstances",
            "Parameters": {"Filters": [{"Name": "tag:treza:id", "Values.$": "States.Array($.id)"}]},
            "ResultSelector": {"ids.$": "$.Reservations[*].Instances[*].InstanceId"},
        }
        end, _ = self.run_machine(find, {"id": "enc_3"})
        self.assertEqual(json.loads(end["output"]), {"ids": [instance]})
        stop = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:ec2:stopInstances", "Parameters": {"InstanceIds.$": "$.ids"}}
        end, _ = self.run_machine(stop, {"ids": [instance]})
        self.assertEqual(end["status"], "SUCCEEDED", end)
        state = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]
        self.assertEqual(state, "stopped")

    def test_an_instance_is_described_as_it_was_made(self):
        ec2 = client("ec2")
        interface = {"DeviceIndex": 0, "SubnetId": self.subnet, "AssociatePublicIpAddress": False}
        made = ec2.run_instances(
            ImageId="ami-12c6146b", MinCount=1, MaxCount=1, EnclaveOptions={"Enabled": True}, NetworkInterfaces=[interface]
        )
        found = ec2.describe_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])["Reservations"][0]["Instances"][0]
        self.assertEqual(found["EnclaveOptions"], {"Enabled": True})
        self.assertNotIn("Association", found["NetworkInterfaces"][0])
        ec2.terminate_instances(InstanceIds=[found["InstanceId"]])

    def test_an_execution_without_a_name_is_given_one(self):
        states = client("stepfunctions")
        definition = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}})
        machine = states.create_state_machine(name="unnamed", definition=definition, roleArn=self.role)["stateMachineArn"]
        executions = {states.start_execution(stateMachineArn=machine)["executionArn"] for _ in range(2)}
        self.assertEqual(len(executions), 2)

    def test_faults_are_given_as_often_as_asked_for(self):
        fault = [{"action": "ListTables", "code": "ThrottlingException", "message": "slowly", "status": 400, "times": 1}]
        capacity = [{"action": "RunInstances", "code": "InsufficientInstanceCapacity", "status": 500, "containing": self.subnet}]
        for faults in (fault, capacity):
            subprocess.run(["curl", "-fsS", "--noproxy", "*", "-d", json.dumps(faults), f"{self.endpoint}/faults"], check=True, stdout=subprocess.DEVNULL)
        with self.assertRaises(ClientError) as refused:
            client("dynamodb").list_tables()
        self.assertEqual(refused.exception.response["Error"]["Code"], "ThrottlingException")
        client("dynamodb").list_tables()
        with self.assertRaises(ClientError) as refused:
            client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=self.subnet)
        self.assertEqual(refused.exception.response["Error"]["Code"], "InsufficientInstanceCapacity")

    def test_calls_are_on_record_as_permissions_name_them(self):
        client("dynamodb").list_tables()
        client("ec2").describe_vpcs()
        client("s3").create_bucket(Bucket="recorded", CreateBucketConfiguration={"LocationConstraint": REGION})
        client("s3").put_object(Bucket="recorded", Key="a/b", Body=b"")
        client("s3").list_objects_v2(Bucket="recorded")
        called = (self.directory / "calls").read_text().split()
        self.assertLessEqual({"dynamodb:ListTables", "ec2:DescribeVpcs", "s3:PutObject", "s3:ListBucket"}, set(called))

    def test_a_bucket_that_refuses_what_is_not_tls_can_be_read(self):
        s3 = client("s3")
        s3.create_bucket(Bucket="bound", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="bound", Key="a", Body=b"1")
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::bound", "arn:aws:s3:::bound/*"]}
        tls = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        s3.put_bucket_policy(Bucket="bound", Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls]}))
        self.assertEqual(s3.get_object(Bucket="bound", Key="a")["Body"].read(), b"1")
        s3.put_bucket_policy(Bucket="bound", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
        with self.assertRaises(ClientError):
            s3.get_object(Bucket="bound", Key="a")

    def test_one_of_many_writers_wins_a_condition(self):
        dynamodb = client("dynamodb")
        attribute = {"AttributeName": "id", "AttributeType": "S"}
        key = {"AttributeName": "id", "KeyType": "HASH"}
        dynamodb.create_table(TableName="won", AttributeDefinitions=[attribute], KeySchema=[key], BillingMode="PAY_PER_REQUEST")
        # A large row: moto copies it between the condition and the write.
        filling = {"L": [{"M": {str(n): {"S": "x"} for n in range(50)}} for _ in range(100)]}
        dynamodb.put_item(TableName="won", Item={"id": {"S": "row"}, "revision": {"N": "0"}, "filling": filling})
        writers = [client("dynamodb") for _ in range(8)]
        together = threading.Barrier(len(writers))
        won = []

        def write(writer):
            for revision in range(5):
                together.wait()
                try:
                    writer.update_item(
                        TableName="won",
                        Key={"id": {"S": "row"}},
                        UpdateExpression="SET revision = :next",
                        ConditionExpression="revision = :now",
                        ExpressionAttributeValues={":now": {"N": str(revision)}, ":next": {"N": str(revision + 1)}},
                    )
                    won.append(revision)
                except ClientError:
                    pass

        threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(won, list(range(5)))


if __name__ == "__main__":
    unittest.main()

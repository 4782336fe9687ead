"""lambda:invoke of a state machine: moto answers it with a canned result, even for a function that does not exist. Here it
goes to $TREZA_LAMBDA_SERVICE (http://127.0.0.1:PORT), which speaks Lambda's own Invoke API:

    POST /2015-03-31/functions/<name>/invocations     the payload; 200 with the result, or with the header
                                                      X-Amz-Function-Error and {"errorType", "errorMessage"}

Writes to a table do not reach a function from here: who reads the tables' streams does what event source mappings do.
"""

import os

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.models import LambdaBackend
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for

# The longest that AWS lets a function run.
LONGEST_SECONDS = 900


def bind():
    lambda_eval_utils._invoke_lambda_function = invoke
    # moto would call the function within the write, and drop the stream's records after it.
    LambdaBackend.send_dynamodb_items = lambda *_: False


def invoke(parameters, region, state_credentials):
    # ResourceNotFoundException for a function that was not applied.
    account = boto_client_for(region, "lambda", state_credentials)
    function = account.get_function(FunctionName=parameters["FunctionName"])
    name = function["Configuration"]["FunctionName"]
    try:
        answer = service(region).invoke(FunctionName=name, Payload=parameters.get("Payload", b"{}"))
        answer["Payload"] = lambda_eval_utils._from_payload(answer["Payload"])
    except BotoCoreError as error:
        # What Step Functions calls a Lambda service that it did not reach.
        problem = {"Code": "SdkClientException", "Message": f"{name}: {error}"}
        raise ClientError({"Error": problem, "ResponseMetadata": {"HTTPStatusCode": 0, "RequestId": ""}}, "Invoke") from error
    return answer


def service(region):
    address = os.environ.get("TREZA_LAMBDA_SERVICE")
    if not address:
        raise RuntimeError("a state machine invokes a function, and no Lambda service is there: set TREZA_LAMBDA_SERVICE")
    once = Config(retries={"total_max_attempts": 1}, read_timeout=LONGEST_SECONDS)
    return boto3.client("lambda", region_name=region, endpoint_url=address, config=once)

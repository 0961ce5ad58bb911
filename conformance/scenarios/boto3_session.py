"""What the boto3 scenarios share: a client of the server under test, and how a refusal is checked."""

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.scenario import Scenario


def client(scenario: Scenario, *, access_key: str | None = None, secret_key: str | None = None, **options):
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=16, **options)
    return boto3.client(
        "s3",
        endpoint_url=scenario.endpoint,
        aws_access_key_id=access_key or scenario.access_key,
        aws_secret_access_key=secret_key or scenario.secret_key,
        config=config,
    )


def refused(wanted: int | tuple[int, str], call, **arguments) -> None:
    """`call` must fail with this status, and this code; HEAD has no body to carry one."""
    name = getattr(call, "__name__", "call")
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if (found if isinstance(wanted, tuple) else found[0]) != wanted:
            raise AssertionError(f"{name} answered {found}, wanted {wanted}: {error}") from error
        return
    raise AssertionError(f"{name} was accepted, wanted {wanted}")

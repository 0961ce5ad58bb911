"""aws-cli, the `s3control` commands: a block of public access for a whole account, and tags of buckets by ARN.

aws-cli sends these to ACCOUNT.HOST, a name that the machine need not resolve: it is told that the server is a
proxy, which it then connects to for any name.
"""

import json
import os

from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("aws-control")
RULES = "BlockPublicAcls=true,IgnorePublicAcls=false,BlockPublicPolicy=true,RestrictPublicBuckets=false"


def aws(*argv, **options):
    return scenario.run("aws", "--endpoint-url", scenario.endpoint, *argv, **options)


def control(*argv, **options):
    environment = os.environ | {"HTTP_PROXY": scenario.endpoint, "http_proxy": scenario.endpoint, "NO_PROXY": "", "no_proxy": ""}
    return aws("s3control", *argv, env=environment, **options)


os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
account = json.loads(aws("sts", "get-caller-identity").stdout)["Account"]
of_account = ("--account-id", account)
with scenario.check("a block of public access of an account is set, shown and deleted"):
    control("put-public-access-block", *of_account, "--public-access-block-configuration", RULES)
    expected = {name: value == "true" for name, value in (rule.split("=") for rule in RULES.split(","))}
    shown = json.loads(control("get-public-access-block", *of_account).stdout)
    same(shown, {"PublicAccessBlockConfiguration": expected})
    control("delete-public-access-block", *of_account)
    missing = control("get-public-access-block", *of_account, expect=None)
    assert "NoSuchPublicAccessBlockConfiguration" in missing.stderr, missing.stderr

with scenario.check("tags of a bucket are added, listed and removed by its ARN"):
    aws("s3", "mb", f"s3://{BUCKET}")
    of_bucket = (*of_account, "--resource-arn", f"arn:aws:s3:::{BUCKET}")
    control("tag-resource", *of_bucket, "--tags", "Key=team,Value=red", "Key=stage,Value=test")
    control("untag-resource", *of_bucket, "--tag-keys", "stage", "missing")
    tags = json.loads(control("list-tags-for-resource", *of_bucket).stdout)["Tags"]
    same(tags, [{"Key": "team", "Value": "red"}])
    same(json.loads(aws("s3api", "get-bucket-tagging", "--bucket", BUCKET).stdout)["TagSet"], tags)
    aws("s3", "rb", f"s3://{BUCKET}")

with scenario.check("an operation that is not served is refused by its name"):
    refused = control("list-jobs", *of_account, expect=None)
    assert "NotImplemented" in refused.stderr and "ListJobs" in refused.stderr, refused.stderr

scenario.finish()

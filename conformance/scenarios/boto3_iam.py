"""boto3, IAM and STS: users, keys, groups, roles, sessions and what they may do.

Owns who may do what; what the operations of S3 do is in the other scripts.
"""

import json
import os

import boto3
from boto3_session import refused
from botocore.config import Config

from harness.scenario import Scenario

scenario = Scenario()
BUCKET = scenario.bucket_name("iam")
# Names are of this run alone: a server may be used twice.
SUFFIX = BUCKET.rsplit("-", 1)[-1]
USER, GROUP, ROLE, POLICY = (f"{kind}-{SUFFIX}" for kind in ("bob", "staff", "reader", "lists"))


def client(service: str, credentials: dict | None = None):
    keys = credentials or {"AccessKeyId": scenario.access_key, "SecretAccessKey": scenario.secret_key}
    return boto3.client(
        service,
        endpoint_url=scenario.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=Config(signature_version="s3v4" if service == "s3" else "v4", s3={"addressing_style": "path"}),
    )


def policy(effect: str, actions, resource="*") -> str:
    statement = {"Effect": effect, "Action": actions, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


iam, sts, s3 = client("iam"), client("sts"), client("s3")
account = sts.get_caller_identity()["Account"]
s3.create_bucket(Bucket=BUCKET)
s3.put_object(Bucket=BUCKET, Key="open/a", Body=b"open")
s3.put_object(Bucket=BUCKET, Key="secret/a", Body=b"secret")

with scenario.check("a user is created, found and listed"):
    made = iam.create_user(UserName=USER, Path="/team/", Tags=[{"Key": "team", "Value": "a"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{account}:user/team/{USER}", made
    assert iam.get_user(UserName=USER)["User"]["Tags"] == [{"Key": "team", "Value": "a"}]
    names = [user["UserName"] for page in iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1}) for user in page["Users"]]
    assert USER in names, names
    refused((409, "EntityAlreadyExists"), iam.create_user, UserName=USER)
    refused((404, "NoSuchEntity"), iam.get_user, UserName="nobody")

keys = iam.create_access_key(UserName=USER)["AccessKey"]
bob, bob_sts = client("s3", keys), client("sts", keys)

with scenario.check("a user may do nothing, then what its policy allows, then no longer"):
    assert bob_sts.get_caller_identity()["Arn"] == made["Arn"]
    refused(403, bob.get_object, Bucket=BUCKET, Key="open/a")
    iam.put_user_policy(UserName=USER, PolicyName="reads", PolicyDocument=policy("Allow", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/open/*"))
    assert bob.get_object(Bucket=BUCKET, Key="open/a")["Body"].read() == b"open"
    refused(403, bob.get_object, Bucket=BUCKET, Key="secret/a")
    refused(403, bob.put_object, Bucket=BUCKET, Key="open/b", Body=b"b")
    refused(403, client("iam", keys).list_users)
    document = iam.get_user_policy(UserName=USER, PolicyName="reads")["PolicyDocument"]
    assert document["Statement"][0]["Action"] == "s3:GetObject", document
    iam.delete_user_policy(UserName=USER, PolicyName="reads")
    refused(403, bob.get_object, Bucket=BUCKET, Key="open/a")

with scenario.check("a group gives its policies, and a managed policy its default version"):
    iam.create_group(GroupName=GROUP)
    arn = iam.create_policy(PolicyName=POLICY, PolicyDocument=policy("Allow", "s3:ListBucket"))["Policy"]["Arn"]
    iam.attach_group_policy(GroupName=GROUP, PolicyArn=arn)
    iam.add_user_to_group(GroupName=GROUP, UserName=USER)
    assert bob.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 2
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("Deny", "s3:*"), SetAsDefault=True)
    refused(403, bob.list_objects_v2, Bucket=BUCKET)
    refused((409, "DeleteConflict"), iam.delete_policy, PolicyArn=arn)
    refused((409, "DeleteConflict"), iam.delete_group, GroupName=GROUP)
    iam.remove_user_from_group(GroupName=GROUP, UserName=USER)
    iam.detach_group_policy(GroupName=GROUP, PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)
    iam.delete_group(GroupName=GROUP)

with scenario.check("a role is assumed by whom it trusts, narrowed by the session, and ends with the role"):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": made["Arn"]}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assume = {"RoleArn": role["Arn"], "RoleSessionName": "work"}
    refused((403, "AccessDenied"), client("sts", keys).assume_role, **assume | {"RoleArn": role["Arn"] + "x"})
    whole = client("s3", bob_sts.assume_role(**assume)["Credentials"])
    assert whole.get_object(Bucket=BUCKET, Key="secret/a")["Body"].read() == b"secret"
    refused(403, whole.put_object, Bucket=BUCKET, Key="open/b", Body=b"b")
    only = policy("Allow", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/open/*")
    narrow = bob_sts.assume_role(**assume, Policy=only, DurationSeconds=900)
    assert narrow["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/{ROLE}/work", narrow
    narrow = client("s3", narrow["Credentials"])
    assert narrow.get_object(Bucket=BUCKET, Key="open/a")["Body"].read() == b"open"
    refused(403, narrow.get_object, Bucket=BUCKET, Key="secret/a")
    url = narrow.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "open/a"})
    assert boto3.session.botocore.httpsession.URLLib3Session(verify=os.environ.get("AWS_CA_BUNDLE", True)).send(
        boto3.session.botocore.awsrequest.AWSRequest("GET", url).prepare()
    ).content == b"open"
    for time, expected in (("2020-01-01T00:00:00Z", None), ("2999-01-01T00:00:00Z", 403)):
        older = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
        older["Condition"] = {"DateLessThan": {"aws:TokenIssueTime": time}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [older]})
        iam.put_role_policy(RoleName=ROLE, PolicyName="stop", PolicyDocument=document)
        if expected is None:
            whole.get_object(Bucket=BUCKET, Key="secret/a")
        else:
            refused(expected, whole.get_object, Bucket=BUCKET, Key="secret/a")
    iam.put_role_policy(RoleName=ROLE, PolicyName="stop", PolicyDocument=policy("Deny", "s3:*"))
    refused(403, whole.get_object, Bucket=BUCKET, Key="secret/a")
    iam.delete_role_policy(RoleName=ROLE, PolicyName="stop")
    iam.detach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    iam.delete_role(RoleName=ROLE)
    refused(403, whole.get_object, Bucket=BUCKET, Key="open/a")

with scenario.check("a session of a user ends with its access key"):
    iam.put_user_policy(UserName=USER, PolicyName="reads", PolicyDocument=policy("Allow", "s3:*"))
    session = client("s3", bob_sts.get_session_token(DurationSeconds=900)["Credentials"])
    assert session.get_object(Bucket=BUCKET, Key="open/a")["Body"].read() == b"open"
    used = iam.get_access_key_last_used(AccessKeyId=keys["AccessKeyId"])
    assert used["UserName"] == USER and used["AccessKeyLastUsed"]["ServiceName"] in ("s3", "sts"), used
    iam.update_access_key(UserName=USER, AccessKeyId=keys["AccessKeyId"], Status="Inactive")
    refused(403, session.get_object, Bucket=BUCKET, Key="open/a")
    refused(403, bob.get_object, Bucket=BUCKET, Key="open/a")
    iam.delete_user_policy(UserName=USER, PolicyName="reads")
    iam.delete_access_key(UserName=USER, AccessKeyId=keys["AccessKeyId"])
    iam.delete_user(UserName=USER)
    refused((404, "NoSuchEntity"), iam.get_user, UserName=USER)

for key in ("open/a", "secret/a"):
    s3.delete_object(Bucket=BUCKET, Key=key)
s3.delete_bucket(Bucket=BUCKET)
scenario.finish()

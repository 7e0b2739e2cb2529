"""What users of boto3 do to let others in: forms, pre-signed uploads in parts,
bucket policies, access control lists, CORS and temporary credentials."""

import base64
import hashlib
import json
import time
from urllib.parse import parse_qs, quote, urlsplit

import boto3
from botocore.client import Config

from lib import BUCKET, MODES, anonymous, answered, client, config, element, http, refused, same, step

MIB = 1 << 20
VERSION = "2012-10-17"


def read(answer):
    return answer["Body"].read()


def missing(s3, key, bucket=BUCKET):
    refused(s3.head_object, 404, Bucket=bucket, Key=key)


# Browser forms


def forms(mode):
    s3 = client(mode)

    def form(key, conditions=(), fields=None, expires=60, bucket=BUCKET):
        fields = fields or {}
        covered = [{name: value} for name, value in fields.items()]
        return s3.generate_presigned_post(bucket, key, Fields=fields, Conditions=covered + list(conditions), ExpiresIn=expires)

    def send(made, body, name="photo ü.png", kind="image/png", after=(), **change):
        fields = {**made["fields"], **change}
        return http("POST", made["url"], fields=[*fields.items(), ("file", (name, body, kind)), *after])

    def stored(key, body, **head):
        got = s3.get_object(Bucket=BUCKET, Key=key)
        same(read(got), body)
        same({name: got[name] for name in head}, head)

    def success():
        key = f"{mode}/plain ü+&.png"
        answer = send(form(key, fields={"Content-Type": "image/png", "x-amz-meta-color": "green"}), b"png", after=[("x-amz-meta-late", "ignored")])
        answered(answer, 204)
        same(answer.headers["ETag"], f'"{hashlib.md5(b"png").hexdigest()}"')
        assert answer.headers["Location"], answer.headers
        stored(key, b"png", ContentType="image/png", Metadata={"color": "green"})

    def file_name():
        answered(send(form(f"{mode}/user/${{filename}}"), b"1", name="a b ü.txt"), 204)
        stored(f"{mode}/user/a b ü.txt", b"1")
        answered(send(form(f"{mode}/user/${{filename}}"), b"2", name="C:\\dir\\c.txt"), 204)
        stored(f"{mode}/user/c.txt", b"2")

    def status():
        key = f"{mode}/created"
        made = form(key, fields={"success_action_status": "201"})
        tree = answered(send(made, b"created"), 201)
        same(tree.tag, "PostResponse")
        same((tree.findtext("Bucket"), tree.findtext("Key"), tree.findtext("ETag")), (BUCKET, key, f'"{hashlib.md5(b"created").hexdigest()}"'))
        assert key.split("/")[-1] in tree.findtext("Location"), tree.findtext("Location")
        answered(send(form(key, fields={"success_action_status": "200"}), b"ok"), 200)
        answered(send(form(key, fields={"success_action_status": "404"}), b"ok"), 204)

    def redirect():
        key = f"{mode}/redirected"
        answer = send(form(key, fields={"success_action_redirect": "https://app.example/done?step=2"}), b"done")
        answered(answer, 303)
        location = urlsplit(answer.headers["Location"])
        same((location.scheme, location.netloc, location.path), ("https", "app.example", "/done"))
        same(parse_qs(location.query), {"step": ["2"], "bucket": [BUCKET], "key": [key], "etag": [f'"{hashlib.md5(b"done").hexdigest()}"']})
        answered(send(form(key, fields={"success_action_redirect": "not a url"}), b"done"), 204)

    def tags():
        key = f"{mode}/tagged"
        xml = "<Tagging><TagSet><Tag><Key>kind</Key><Value>form</Value></Tag></TagSet></Tagging>"
        answered(send(form(key, fields={"tagging": xml}), b"x"), 204)
        same(s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"], [{"Key": "kind", "Value": "form"}])
        answered(send(form(key, fields={"tagging": "<Tagging>"}), b"x"), 400, "MalformedXML")

    def size():
        key = f"{mode}/sized"
        made = form(key, [["content-length-range", 2, 1024]])
        tree = answered(send(made, b"x" * 1025), 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        same((tree.findtext("ProposedSize"), tree.findtext("MaxSizeAllowed")), ("1025", "1024"))
        tree = answered(send(made, b"x"), 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        same((tree.findtext("ProposedSize"), tree.findtext("MinSizeAllowed")), ("1", "2"))
        answered(send(made, bytes(9 * MIB)), 400, "EntityTooLarge")
        missing(s3, key)
        answered(send(made, b"x" * 1024), 204)
        stored(key, b"x" * 1024)

    def kind():
        key = f"{mode}/typed"
        made = form(key, [["starts-with", "$Content-Type", "image/"]])
        refusal = 'Invalid according to Policy: Policy Condition failed: ["starts-with", "$Content-Type", "image/"]'
        answered(send(made, b"x", **{"Content-Type": "text/html"}), 403, "AccessDenied", refusal)
        missing(s3, key)
        answered(send(made, b"x", **{"Content-Type": "image/gif"}), 204)
        stored(key, b"x", ContentType="image/gif")

    def tampered():
        key = f"{mode}/tampered"
        made = form(key)
        failed = f'Invalid according to Policy: Policy Condition failed: ["eq", "$key", "{key}"]'
        answered(send(made, b"x", key=key + "2"), 403, "AccessDenied", failed)
        policy = json.loads(base64.b64decode(made["fields"]["policy"]))
        policy["expiration"] = "2100-01-01T00:00:00Z"
        longer = base64.b64encode(json.dumps(policy).encode()).decode()
        answered(send(made, b"x", policy=longer), 403, "SignatureDoesNotMatch")
        answered(send(made, b"x", **{"x-amz-meta-more": "1"}), 403, "AccessDenied", "Invalid according to Policy: Extra input fields: x-amz-meta-more")
        answered(send(made, b"x", **{"x-ignore-this": "1"}), 204)
        s3.delete_object(Bucket=BUCKET, Key=key)
        answered(send({**made, "fields": {"key": key}}, b"x"), 403, "AccessDenied", "Access Denied")
        without = {k: v for k, v in made["fields"].items() if k != "key"}
        answered(send({**made, "fields": without}, b"x"), 400, "InvalidArgument",
                 "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
        answered(http("POST", made["url"], fields=list(made["fields"].items())), 400, "InvalidArgument", "POST requires exactly one file upload per request.")
        answered(http("POST", made["url"], body=b"no form"), 412, "PreconditionFailed")
        other = form(key, bucket=BUCKET + "-other")
        answered(send({**other, "url": made["url"]}, b"x"), 403, "AccessDenied")
        wrong = client(mode, secret="wrong").generate_presigned_post(BUCKET, key)
        answered(send(wrong, b"x"), 403, "SignatureDoesNotMatch")
        unknown = client(mode, key="E2EUNKNOWN").generate_presigned_post(BUCKET, key)
        answered(send(unknown, b"x"), 403, "InvalidAccessKeyId")
        missing(s3, key)

    def expired():
        key = f"{mode}/expired"
        made = form(key, expires=1)
        time.sleep(2.1)
        answered(send(made, b"x"), 403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        missing(s3, key)

    for check in success, file_name, status, redirect, tags, size, kind, tampered, expired:
        step(f"{mode}/form/{check.__name__.replace('_', ' ')}", check)


# Uploads in parts with a pre-signed URL for each request


def presigned_parts(mode):
    s3, s3_v4 = client(mode), client("v4 path")
    key = f"{mode}/in parts ü+.bin"

    def sign(operation, **params):
        return s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key, **params}, ExpiresIn=60)

    def begin():
        if mode.startswith("v4"):
            return element(answered(http("POST", sign("create_multipart_upload")), 200), "UploadId")
        # With V2, this boto3 signs "?uploads?uploads", which S3 refuses.
        return s3_v4.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]

    def whole():
        upload_id = begin()
        bodies = [bytes(range(256)) * (5 << 12), b"\1" * (5 * MIB), b"end"]
        done = ""
        for number, body in enumerate(bodies, 1):
            url = sign("upload_part", UploadId=upload_id, PartNumber=number)
            answer = http("PUT", url, body=body)
            answered(answer, 200)
            done += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['ETag']}</ETag></Part>"
            # A URL is for one part of one upload.
            other = url.replace(f"partNumber={number}", f"partNumber={number + 1}")
            assert other != url, url
            answered(http("PUT", other, body=b"x"), 403, "SignatureDoesNotMatch")
        listed = answered(http("GET", sign("list_parts", UploadId=upload_id)), 200)
        same([p.findtext("{*}Size") for p in listed.findall("{*}Part")], [str(len(b)) for b in bodies])
        url = sign("complete_multipart_upload", UploadId=upload_id)
        completion = f"<CompleteMultipartUpload>{done}</CompleteMultipartUpload>"
        answered(http("DELETE", url), 403, "SignatureDoesNotMatch")
        answered(http("POST", url, body=completion[:-9]), 400, "MalformedXML")
        tree = answered(http("POST", url, body=completion), 200)
        want = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()
        same((element(tree, "Key"), element(tree, "ETag")), (key, f'"{want}-3"'))
        answer = http("GET", sign("get_object"))
        assert answer.status == 200 and answer.data == b"".join(bodies), (answer.status, len(answer.data))

    def abort():
        upload_id = begin()
        answered(http("DELETE", sign("abort_multipart_upload", UploadId=upload_id)), 204)
        answered(http("PUT", sign("upload_part", UploadId=upload_id, PartNumber=1), body=b"x"), 404, "NoSuchUpload")

    def copies():
        source = {"Bucket": BUCKET, "Key": key}
        put = s3.generate_presigned_url("copy_object", Params={"Bucket": BUCKET, "Key": key + "2", "CopySource": source}, ExpiresIn=60)
        # V4 signs the header that must be sent, V2 moves it into the URL.
        header = {"x-amz-copy-source": quote(f"{BUCKET}/{key}")}
        tree = answered(http("PUT", put, headers=header if mode.startswith("v4") else None), 200)
        assert element(tree, "ETag").endswith('"'), element(tree, "ETag")
        same(s3.head_object(Bucket=BUCKET, Key=key + "2")["ContentLength"], 10 * MIB + 3)

    step(f"{mode}/pre-signed parts", whole)
    step(f"{mode}/pre-signed abort", abort)
    step(f"{mode}/pre-signed copy", copies)


# Bucket policies


def policies():
    s3, bucket = client("v4 path"), BUCKET + "-policy"
    s3.create_bucket(Bucket=bucket)
    for key in "public/a", "private/a":
        s3.put_object(Bucket=bucket, Key=key, Body=b"text")

    def policy(*statements):
        return json.dumps({"Version": VERSION, "Statement": list(statements)})

    arn = f"arn:aws:s3:::{bucket}"
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{arn}/public/*"}

    def public_read():
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="public/a")
        refused(s3.get_bucket_policy, 404, "NoSuchBucketPolicy", Bucket=bucket)
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(everyone))
        same(json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]), json.loads(policy(everyone)))
        same(s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"], {"IsPublic": True})
        same(read(anonymous.get_object(Bucket=bucket, Key="public/a")), b"text")
        same(http("GET", f"{config['endpoint']}/{bucket}/public/a").data, b"text")
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="private/a")
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="public/none")
        refused(anonymous.list_objects_v2, 403, "AccessDenied", Bucket=bucket)
        refused(anonymous.put_object, 403, "AccessDenied", Bucket=bucket, Key="public/a", Body=b"x")
        refused(anonymous.delete_object, 403, "AccessDenied", Bucket=bucket, Key="public/a")
        refused(anonymous.get_bucket_policy, 403, "AccessDenied", Bucket=bucket)
        refused(anonymous.get_object, 400, "InvalidRequest", Bucket=bucket, Key="public/a", ResponseContentType="text/html")

    def conditions():
        upload = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:PutObject", "Resource": f"{arn}/drop/*",
                  "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "StringLike": {"aws:UserAgent": "*e2e*"}}}
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(everyone, upload))
        url = f"{config['endpoint']}/{bucket}/drop/box"
        answered(http("PUT", url, body=b"x"), 403, "AccessDenied")
        answered(http("PUT", url, body=b"x", headers={"User-Agent": "an e2e test"}), 200)
        same(read(s3.get_object(Bucket=bucket, Key="drop/box")), b"x")
        # What is denied is denied to all.
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{arn}/public/*",
                "Condition": {"StringEquals": {"s3:ExistingObjectTag/secret": "yes"}}}
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(everyone, deny))
        same(read(anonymous.get_object(Bucket=bucket, Key="public/a")), b"text")
        s3.put_object_tagging(Bucket=bucket, Key="public/a", Tagging={"TagSet": [{"Key": "secret", "Value": "yes"}]})
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="public/a")
        s3.delete_object_tagging(Bucket=bucket, Key="public/a")

    def malformed():
        for document in ("{", "[]", policy({**everyone, "Effect": "Maybe"}), policy({**everyone, "Resource": "arn:aws:s3:::other/*"}),
                         policy({**everyone, "Condition": {"StringSimilar": {"aws:Referer": "x"}}}),
                         policy({k: v for k, v in everyone.items() if k != "Principal"})):
            refused(s3.put_bucket_policy, 400, "MalformedPolicy", Bucket=bucket, Policy=document)

    def block():
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(everyone))
        same(read(anonymous.get_object(Bucket=bucket, Key="public/a")), b"text")
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={
            "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True})
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="public/a")
        refused(s3.put_bucket_policy, 403, "AccessDenied", Bucket=bucket, Policy=policy(everyone))
        assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"]
        s3.delete_public_access_block(Bucket=bucket)
        same(read(anonymous.get_object(Bucket=bucket, Key="public/a")), b"text")

    def delete():
        s3.delete_bucket_policy(Bucket=bucket)
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="public/a")

    for check in public_read, conditions, malformed, block, delete:
        step(f"bucket policy/{check.__name__.replace('_', ' ')}", check)


# CORS


def cors():
    s3, bucket = client("v4 path"), BUCKET + "-cors"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"text")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})

    def preflight(origin, method, headers=None):
        asked = {"Origin": origin, "Access-Control-Request-Method": method}
        return http("OPTIONS", url, headers={**asked, **({"Access-Control-Request-Headers": headers} if headers else {})})

    def rules():
        refused(s3.get_bucket_cors, 404, "NoSuchCORSConfiguration", Bucket=bucket)
        answered(preflight("https://app.example", "PUT"), 403, "AccessForbidden")
        configuration = {"CORSRules": [
            {"ID": "app", "AllowedOrigins": ["https://*.app.example", "https://app.example"], "AllowedMethods": ["PUT", "GET"],
             "AllowedHeaders": ["x-amz-meta-*", "Content-Type"], "ExposeHeaders": ["ETag", "x-amz-version-id"], "MaxAgeSeconds": 600},
            {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]}]}
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=configuration)
        same(s3.get_bucket_cors(Bucket=bucket)["CORSRules"], configuration["CORSRules"])

    def allowed():
        answer = preflight("https://eu.app.example", "PUT", "content-type, X-Amz-Meta-Color")
        answered(answer, 200)
        got = answer.headers
        same((got["Access-Control-Allow-Origin"], got["Access-Control-Max-Age"], got["Access-Control-Allow-Credentials"]),
             ("https://eu.app.example", "600", "true"))
        same({m.strip() for m in got["Access-Control-Allow-Methods"].split(",")}, {"PUT", "GET"})
        same({m.strip().lower() for m in got["Access-Control-Allow-Headers"].split(",")}, {"content-type", "x-amz-meta-color"})
        same({m.strip() for m in got["Vary"].split(",")}, {"Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"})
        answer = preflight("https://else.example", "HEAD")
        answered(answer, 200)
        same(answer.headers["Access-Control-Allow-Origin"], "*")

    def refusals():
        answered(preflight("https://else.example", "PUT"), 403, "AccessForbidden")
        answered(preflight("http://app.example", "PUT"), 403, "AccessForbidden")
        answered(preflight("https://app.example", "DELETE"), 403, "AccessForbidden")
        answered(preflight("https://app.example", "PUT", "x-other"), 403, "AccessForbidden")
        answered(http("OPTIONS", url), 400, "BadRequest")

    def requests():
        answer = http("GET", url, headers={"Origin": "https://app.example"})
        same((answer.status, answer.data), (200, b"text"))
        same(answer.headers["Access-Control-Allow-Origin"], "https://app.example")
        same({m.strip() for m in answer.headers["Access-Control-Expose-Headers"].split(",")}, {"ETag", "x-amz-version-id"})
        assert "Origin" in answer.headers["Vary"], answer.headers
        # A page may see why it was refused.
        answer = http("GET", url + "x", headers={"Origin": "https://app.example"})
        answered(answer, 403, "SignatureDoesNotMatch")
        same(answer.headers["Access-Control-Allow-Origin"], "https://app.example")
        for headers in {}, {"Origin": "https://else.example"}:
            answer = http("GET", url, headers=headers)
            same((answer.status, answer.headers.get("Access-Control-Allow-Origin")), (200, None))

    def malformed():
        rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}
        refused(s3.put_bucket_cors, 400, "InvalidRequest", Bucket=bucket, CORSConfiguration={"CORSRules": [{**rule, "AllowedMethods": ["PATCH"]}]})
        refused(s3.put_bucket_cors, 400, "InvalidRequest", Bucket=bucket, CORSConfiguration={"CORSRules": [{**rule, "AllowedOrigins": ["*.*"]}]})
        refused(s3.put_bucket_cors, 400, "MalformedXML", Bucket=bucket, CORSConfiguration={"CORSRules": []})

    def delete():
        s3.delete_bucket_cors(Bucket=bucket)
        answered(preflight("https://app.example", "PUT"), 403, "AccessForbidden")
        same(http("GET", url, headers={"Origin": "https://app.example"}).headers.get("Access-Control-Allow-Origin"), None)

    for check in rules, allowed, refusals, requests, malformed, delete:
        step(f"cors/{check.__name__}", check)


# Access control lists, on a server whose new buckets have them


def lists():
    s3, bucket = client("v4 path"), BUCKET + "-acl"
    s3.create_bucket(Bucket=bucket)
    everyone = "http://acs.amazonaws.com/groups/global/AllUsers"

    def grants(answer):
        return sorted((g["Grantee"].get("URI", "owner"), g["Permission"]) for g in answer["Grants"])

    def objects():
        same(s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"], [{"ObjectOwnership": "ObjectWriter"}])
        at = dict(Bucket=bucket, Key="a")
        s3.put_object(Body=b"text", **at)
        refused(anonymous.get_object, 403, "AccessDenied", **at)
        same(grants(s3.get_object_acl(**at)), [("owner", "FULL_CONTROL")])
        s3.put_object(Body=b"text", ACL="public-read", **at)
        same(read(anonymous.get_object(**at)), b"text")
        same(grants(s3.get_object_acl(**at)), [(everyone, "READ"), ("owner", "FULL_CONTROL")])
        refused(anonymous.get_object_acl, 403, "AccessDenied", **at)
        refused(anonymous.put_object, 403, "AccessDenied", Body=b"x", **at)
        s3.put_object_acl(ACL="private", **at)
        refused(anonymous.get_object, 403, "AccessDenied", **at)
        s3.put_object_acl(GrantRead=f'uri="{everyone}"', **at)
        same(read(anonymous.get_object(**at)), b"text")
        owner = s3.get_object_acl(**at)["Owner"]
        s3.put_object_acl(AccessControlPolicy={"Owner": owner, "Grants": [
            {"Grantee": {"Type": "CanonicalUser", "ID": owner["ID"]}, "Permission": "FULL_CONTROL"},
            {"Grantee": {"Type": "Group", "URI": everyone}, "Permission": "READ_ACP"}]}, **at)
        refused(anonymous.get_object, 403, "AccessDenied", **at)
        same(len(anonymous.get_object_acl(**at)["Grants"]), 2)
        refused(s3.put_object_acl, 400, "InvalidArgument", ACL="public-everything", **at)

    def buckets():
        refused(anonymous.list_objects_v2, 403, "AccessDenied", Bucket=bucket)
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
        same([c["Key"] for c in anonymous.list_objects_v2(Bucket=bucket)["Contents"]], ["a"])
        refused(anonymous.put_object, 403, "AccessDenied", Bucket=bucket, Key="b", Body=b"x")
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        anonymous.put_object(Bucket=bucket, Key="b", Body=b"x")
        s3.put_bucket_acl(Bucket=bucket, ACL="private")
        refused(anonymous.list_objects_v2, 403, "AccessDenied", Bucket=bucket)

    def multipart():
        at = dict(Bucket=bucket, Key="parts")
        upload_id = s3.create_multipart_upload(ACL="public-read", **at)["UploadId"]
        part = s3.upload_part(UploadId=upload_id, PartNumber=1, Body=b"parts", **at)
        s3.complete_multipart_upload(UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **at)
        same(read(anonymous.get_object(**at)), b"parts")
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=at)
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="copy")

    def form():
        made = s3.generate_presigned_post(bucket, "form", Fields={"acl": "public-read"}, Conditions=[{"acl": "public-read"}])
        answered(http("POST", made["url"], fields=[*made["fields"].items(), ("file", ("f", b"form", "text/plain"))]), 204)
        same(read(anonymous.get_object(Bucket=bucket, Key="form")), b"form")

    def block():
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True, "IgnorePublicAcls": True})
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="form")
        refused(s3.put_object_acl, 403, "AccessDenied", Bucket=bucket, Key="a", ACL="public-read")
        refused(s3.put_object, 403, "AccessDenied", Bucket=bucket, Key="c", Body=b"x", ACL="public-read")
        s3.delete_public_access_block(Bucket=bucket)
        same(read(anonymous.get_object(Bucket=bucket, Key="form")), b"form")

    def enforced():
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
        refused(s3.put_object, 400, "AccessControlListNotSupported", Bucket=bucket, Key="a", Body=b"x", ACL="public-read")
        refused(anonymous.get_object, 403, "AccessDenied", Bucket=bucket, Key="form")

    for check in objects, buckets, multipart, form, block, enforced:
        step(f"acl/{check.__name__}", check)


# Temporary credentials


def sessions():
    bucket = BUCKET + "-session"
    root = client("v4 path")
    root.create_bucket(Bucket=bucket)
    for key in "in/a", "out/a":
        root.put_object(Bucket=bucket, Key=key, Body=b"text")

    def sts(**more):
        return boto3.client("sts", **{**dict(
            endpoint_url=config["endpoint"], region_name=config["region"], aws_access_key_id=config["accessKeyId"],
            aws_secret_access_key=config["secretAccessKey"], config=Config(retries={"max_attempts": 0}, parameter_validation=False)), **more})

    role = f"arn:aws:iam::{sts().get_caller_identity()['Account']}:role/uploader"

    def using(mode, made, **change):
        made = {**made["Credentials"], **change}
        return client(mode, made["AccessKeyId"], made["SecretAccessKey"], token=made["SessionToken"])

    def lasts(made, seconds):
        left = made["Credentials"]["Expiration"].timestamp() - time.time()
        assert seconds - 30 < left <= seconds + 5, left

    narrowed = json.dumps({"Version": VERSION, "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/in/*"}]})

    def link(s3, key, operation="get_object", **more):
        return s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key, **more}, ExpiresIn=60)

    def session_token():
        made = sts().get_session_token(DurationSeconds=900)
        lasts(made, 900)
        for mode in MODES:
            s3 = using(mode, made)
            s3.put_object(Bucket=bucket, Key="in/b", Body=b"by a session")
            same(read(s3.get_object(Bucket=bucket, Key="in/b")), b"by a session")
            url = link(s3, "out/a")
            answered(http("GET", url), 200)
            token = "X-Amz-Security-Token" if mode.startswith("v4") else "x-amz-security-token"
            assert token + "=" in url, url
            # Without its token, or with that of another, the key is none.
            kept = [p for p in url.split("?")[1].split("&") if not p.lower().startswith("x-amz-security-token")]
            answer = http("GET", url.split("?")[0] + "?" + "&".join(kept))
            answered(answer, 403, "InvalidAccessKeyId")
        other = sts().get_session_token(DurationSeconds=900)["Credentials"]["SessionToken"]
        for token in "malformed", other:
            answered(http("GET", link(using("v4 path", made, SessionToken=token), "out/a")), 400, "InvalidToken")

    def assumed_role():
        made = sts().assume_role(RoleArn=role, RoleSessionName="e2e", Policy=narrowed, DurationSeconds=900)
        lasts(made, 900)
        assert made["AssumedRoleUser"]["Arn"].endswith("assumed-role/uploader/e2e"), made["AssumedRoleUser"]
        for mode in MODES:
            s3 = using(mode, made)
            same(http("GET", link(s3, "in/a")).data, b"text")
            answered(http("PUT", link(s3, "in/c", "put_object"), body=b"x"), 200)
            answered(http("GET", link(s3, "out/a")), 403, "AccessDenied")
            answered(http("DELETE", link(s3, "in/a", "delete_object")), 403, "AccessDenied")
            refused(s3.list_objects_v2, 403, "AccessDenied", Bucket=bucket)
            refused(s3.list_buckets, 403, "AccessDenied")
            form = s3.generate_presigned_post(bucket, "in/form")
            answered(http("POST", form["url"], fields=[*form["fields"].items(), ("file", "x")]), 204)
            form = s3.generate_presigned_post(bucket, "out/form")
            answered(http("POST", form["url"], fields=[*form["fields"].items(), ("file", "x")]), 403, "AccessDenied")

    def refusals():
        refused(sts(aws_secret_access_key="wrong").get_session_token, 403, "SignatureDoesNotMatch")
        refused(sts(aws_access_key_id="E2EUNKNOWN").get_session_token, 403, "InvalidClientTokenId")
        refused(sts().get_session_token, 400, "ValidationError", DurationSeconds=899)
        elsewhere = "arn:aws:iam::123456789012:role/uploader"
        refused(sts().assume_role, 403, "AccessDenied", RoleArn=elsewhere, RoleSessionName="e2e")
        refused(sts().assume_role, 400, "ValidationError", RoleArn=role, RoleSessionName="e 2 e")
        refused(sts().assume_role, 400, "MalformedPolicyDocument", RoleArn=role, RoleSessionName="e2e", Policy="{")
        made = sts().get_session_token()["Credentials"]
        temporary = sts(aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"], aws_session_token=made["SessionToken"])
        refused(temporary.get_session_token, 403, "AccessDenied")
        assert made["SecretAccessKey"] != config["secretAccessKey"]

    def identity():
        got = sts().get_caller_identity()
        same((got["Arn"], len(got["Account"])), (f"arn:aws:iam::{got['Account']}:root", 12))

    for check in session_token, assumed_role, refusals, identity:
        step(f"sts/{check.__name__.replace('_', ' ')}", check)


if config["objectOwnership"]:
    lists()
else:
    step("create bucket", lambda: client("v4 path").create_bucket(Bucket=BUCKET))
    for each in MODES:
        forms(each)
        presigned_parts(each)
    for part in policies, cors, sessions:
        part()

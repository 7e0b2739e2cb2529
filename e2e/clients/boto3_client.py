"""Debian's boto3, which still makes V2 URLs for us-east-1 by default."""

import base64
import hashlib
import io
import zlib

from lib import BUCKET, KEYS, MODES, client, emit, refused, step


def header_auth(mode):
    s3 = client(mode)
    bucket = BUCKET + "-" + mode.replace(" ", "-")

    def run(name, check):
        step(f"{mode}/{name}", check)

    def make_bucket():
        s3.create_bucket(Bucket=bucket)
        s3.head_bucket(Bucket=bucket)
        assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
        assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
        refused(s3.get_object, 404, "NoSuchBucket", Bucket=bucket + "-none", Key="k")

    def object_life(key):
        put = s3.put_object(Bucket=bucket, Key=key, Body=b"hello", ContentType="text/x-e2e", Metadata={"color": "green"})
        head = s3.head_object(Bucket=bucket, Key=key)
        assert head["ContentLength"] == 5 and head["ETag"] == put["ETag"], head
        got = s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == b"hello"
        assert got["ContentType"] == "text/x-e2e" and got["Metadata"] == {"color": "green"}, got
        assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-2")["Body"].read() == b"el"
        refused(s3.get_object, 416, "InvalidRange", Bucket=bucket, Key=key, Range="bytes=9-")
        refused(s3.get_object, 412, "PreconditionFailed", Bucket=bucket, Key=key, IfMatch='"other"')
        refused(s3.get_object, 304, Bucket=bucket, Key=key, IfNoneMatch=put["ETag"])
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]
        assert [c["Key"] for c in listed] == [key], listed
        s3.delete_object(Bucket=bucket, Key=key)
        refused(s3.get_object, 404, "NoSuchKey", Bucket=bucket, Key=key)

    def paginate():
        names = [f"page/{i:02} ü+&" for i in range(25)]
        for name in names:
            s3.put_object(Bucket=bucket, Key=name, Body=b"")
        for operation in "list_objects_v2", "list_objects":
            pages = list(s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 7}))
            assert [c["Key"] for p in pages for c in p["Contents"]] == names, operation
            assert len(pages) == 4, operation
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/")
        assert [c["Prefix"] for p in pages for c in p["CommonPrefixes"]] == ["page/"]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": n} for n in names]})
        assert len(answer["Deleted"]) == len(names) and "Errors" not in answer, answer

    def large():
        body = bytes(range(256)) * (20 << 12)
        put = s3.put_object(Bucket=bucket, Key="large", Body=io.BytesIO(body))
        assert put["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
        assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == body
        s3.delete_object(Bucket=bucket, Key="large")

    def checksum(algorithm, value):
        field = "Checksum" + algorithm
        put = s3.put_object(Bucket=bucket, Key="sum", Body=b"sum", ChecksumAlgorithm=algorithm)
        assert put[field] == value, put
        got = s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")
        assert got["Body"].read() == b"sum" and got[field] == value, got
        refused(s3.put_object, 400, "BadDigest", Bucket=bucket, Key="bad", Body=b"other", **{field: value})
        refused(s3.head_object, 404, Bucket=bucket, Key="bad")

    def content_md5():
        wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        refused(s3.put_object, 400, "BadDigest", Bucket=bucket, Key="bad", Body=b"x", ContentMD5=wrong)
        refused(s3.head_object, 404, Bucket=bucket, Key="bad")

    def conditional():
        once = client(mode)
        once.meta.events.register("before-call.s3.PutObject", lambda params, **_: params["headers"].update({"If-None-Match": "*"}))
        once.put_object(Bucket=bucket, Key="once", Body=b"1")
        refused(once.put_object, 412, "PreconditionFailed", Bucket=bucket, Key="once", Body=b"2")
        assert s3.get_object(Bucket=bucket, Key="once")["Body"].read() == b"1"

    def remove_bucket():
        refused(s3.delete_bucket, 409, "BucketNotEmpty", Bucket=bucket)
        for c in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=c["Key"])
        s3.delete_bucket(Bucket=bucket)
        refused(s3.head_bucket, 404, Bucket=bucket)

    run("bucket", make_bucket)
    for key in KEYS:
        run("object " + key[:40], lambda: object_life(key))
    run("paginator", paginate)
    run("20 MiB", large)
    run("checksum CRC32", lambda: checksum("CRC32", base64.b64encode(zlib.crc32(b"sum").to_bytes(4, "big")).decode()))
    run("checksum SHA1", lambda: checksum("SHA1", base64.b64encode(hashlib.sha1(b"sum").digest()).decode()))
    run("checksum SHA256", lambda: checksum("SHA256", base64.b64encode(hashlib.sha256(b"sum").digest()).decode()))
    run("Content-MD5", content_md5)
    run("conditional put", conditional)
    run("delete bucket", remove_bucket)
    run("wrong secret", lambda: refused(client(mode, secret="wrong").list_buckets, 403, "SignatureDoesNotMatch"))
    run("unknown key", lambda: refused(client(mode, key="E2EUNKNOWN").list_buckets, 403, "InvalidAccessKeyId"))


ACTIONS = {"get": "get_object", "put": "put_object", "head": "head_object", "delete": "delete_object"}


def mint(mode, action, what="", s3=None, expires=60, send=None, want=None, refuse=None, operation=None, **params):
    def sign():
        url = (s3 or client(mode)).generate_presigned_url(operation or ACTIONS[action], Params={"Bucket": BUCKET, **params}, ExpiresIn=expires)
        emit({"pass": {"name": f"{mode} {what}".strip(), "action": action, "key": params.get("Key"), "url": url,
                       "send": send, "want": want, "refuse": refuse}})

    step(f"{mode}/presign {action} {what} {params.get('Key', '')[:40]}", sign)


def presign(mode):
    for key in KEYS:
        for action in "get", "put", "head", "delete":
            mint(mode, action, Key=key)
    mint(mode, "list", operation="list_objects", Prefix="list/")
    if mode.startswith("v4"):  # with V2, this boto3 signs list-type=2 into the path, which S3 refuses
        mint(mode, "list", "list_objects_v2", operation="list_objects_v2", Prefix="list/")
    mint(mode, "get", "expired", expires=1, refuse="expired", Key="seed.txt")
    mint(mode, "get", "wrong secret", s3=client(mode, secret="wrong"), refuse="SignatureDoesNotMatch", Key="seed.txt")
    mint(mode, "get", "unknown key", s3=client(mode, key="E2EUNKNOWN"), refuse="InvalidAccessKeyId", Key="seed.txt")
    if mode.startswith("v4"):
        mint(mode, "get", "wrong region", s3=client(mode, region="eu-west-1"), refuse="AuthorizationQueryParametersError", Key="seed.txt")
    disposition = "attachment; filename=\"report (1).pdf\"; filename*=UTF-8''r%C3%A9port%20%281%29.pdf"
    mint(mode, "get", "response headers", want={"Content-Disposition": disposition, "Content-Type": "application/pdf"},
         Key="seed.txt", ResponseContentDisposition=disposition, ResponseContentType="application/pdf")
    typed = {"Content-Type": "image/png"}
    mint(mode, "put", "type", send=typed, want=typed, Key="type " + mode, ContentType="image/png")
    mint(mode, "put", "other type", send={"Content-Type": "text/x-other"}, refuse="SignatureDoesNotMatch", Key="other " + mode, ContentType="image/png")
    # V2 moves the metadata into the URL, V4 signs headers that must be sent.
    v2 = mode.startswith("v2")
    meta = {"X-Amz-Meta-Color": "green"}
    mint(mode, "put", "metadata", send=None if v2 else meta, want=meta, Key="meta " + mode, Metadata={"color": "green"})
    md5 = base64.b64encode(hashlib.md5(b"another body").digest()).decode()
    mint(mode, "put", "MD5 of another body", send={"Content-Md5": md5}, refuse="BadDigest", Key="md5 " + mode, ContentMD5=md5)
    if not v2:
        mint(mode, "put", "metadata left out", refuse="SignatureDoesNotMatch", Key="no meta " + mode, Metadata={"color": "green"})
        mint(mode, "put", "MD5 left out", refuse="SignatureDoesNotMatch", Key="no md5 " + mode, ContentMD5=md5)


for each in MODES:
    header_auth(each)
step("create bucket", lambda: client("v4 path").create_bucket(Bucket=BUCKET))
for each in MODES:
    presign(each)

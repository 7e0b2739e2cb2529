"""What users of boto3 do to encrypt objects: SSE-S3, a bucket's default, and
keys of their own (SSE-C), in headers, in pre-signed URLs and in forms."""

import base64
import hashlib
import io
import os

import urllib3

from lib import BUCKET, config, refused, same, step

os.environ["AWS_CA_BUNDLE"] = config["caBundle"]

from lib import client  # noqa: E402 (it reads the environment)

s3 = client("v4 path")
pool = urllib3.PoolManager(retries=False, timeout=60, ca_certs=config["caBundle"])
KEY, OTHER = os.urandom(32), os.urandom(32)
OWN = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
STRANGER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": OTHER}
MD5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
HEADERS = {
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-server-side-encryption-customer-key": base64.b64encode(KEY).decode(),
    "x-amz-server-side-encryption-customer-key-MD5": MD5,
}
LARGE = os.urandom(11 << 20)


def body(**kwargs):
    return s3.get_object(Bucket=BUCKET, **kwargs)["Body"].read()


def sse_s3():
    s3.create_bucket(Bucket=BUCKET)
    put = s3.put_object(Bucket=BUCKET, Key="s3", Body=b"content", ServerSideEncryption="AES256")
    same((put["ServerSideEncryption"], put["ETag"]), ("AES256", '"%s"' % hashlib.md5(b"content").hexdigest()))
    same(s3.head_object(Bucket=BUCKET, Key="s3")["ServerSideEncryption"], "AES256")
    same(body(Key="s3"), b"content")
    assert "ServerSideEncryption" not in s3.put_object(Bucket=BUCKET, Key="plain", Body=b"content")
    refused(s3.put_object, 501, "NotImplemented", Bucket=BUCKET, Key="kms", Body=b"x", ServerSideEncryption="aws:kms")
    refused(s3.put_object, 501, "NotImplemented", Bucket=BUCKET, Key="kms", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="key")
    refused(s3.head_object, 404, Bucket=BUCKET, Key="kms")


def default():
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}
    refused(s3.get_bucket_encryption, 404, "ServerSideEncryptionConfigurationNotFoundError", Bucket=BUCKET)
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=rules)
    same(s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"], rules)
    same(s3.put_object(Bucket=BUCKET, Key="default", Body=b"content")["ServerSideEncryption"], "AES256")
    same(s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "plain"})["ServerSideEncryption"], "AES256")
    refused(s3.put_bucket_encryption, 501, "NotImplemented", Bucket=BUCKET, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]})
    s3.delete_bucket_encryption(Bucket=BUCKET)
    refused(s3.get_bucket_encryption, 404, "ServerSideEncryptionConfigurationNotFoundError", Bucket=BUCKET)
    assert "ServerSideEncryption" not in s3.put_object(Bucket=BUCKET, Key="plain", Body=b"content")


def customer():
    put = s3.put_object(Bucket=BUCKET, Key="own", Body=b"content", **OWN)
    same((put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]), ("AES256", MD5))
    assert "ServerSideEncryption" not in put and hashlib.md5(b"content").hexdigest() not in put["ETag"]
    same(body(Key="own", **OWN), b"content")
    same(s3.head_object(Bucket=BUCKET, Key="own", **OWN)["SSECustomerKeyMD5"], MD5)
    answer = refused(s3.get_object, 400, "InvalidRequest", Bucket=BUCKET, Key="own")
    same(answer["Error"]["Message"], "The object was stored using a form of Server Side Encryption. "
         "The correct parameters must be provided to retrieve the object.")
    refused(s3.get_object, 403, "AccessDenied", Bucket=BUCKET, Key="own", **STRANGER)
    refused(s3.head_object, 400, Bucket=BUCKET, Key="own")
    refused(s3.head_object, 403, Bucket=BUCKET, Key="own", **STRANGER)
    answer = refused(s3.get_object, 400, "InvalidRequest", Bucket=BUCKET, Key="plain", **OWN)
    same(answer["Error"]["Message"], "The encryption parameters are not applicable to this object.")
    refused(s3.put_object, 400, "InvalidArgument", Bucket=BUCKET, Key="own", Body=b"x", ServerSideEncryption="AES256", **OWN)
    same(body(Key="own", **OWN), b"content")


def large():
    s3.upload_fileobj(io.BytesIO(LARGE), BUCKET, "large", ExtraArgs=OWN)
    assert s3.head_object(Bucket=BUCKET, Key="large", **OWN)["ETag"].endswith('-2"')
    out = io.BytesIO()
    s3.download_fileobj(BUCKET, "large", out, ExtraArgs=OWN)
    assert out.getvalue() == LARGE
    for first, last in (0, 0), (65535, 65536), (8 << 20, (8 << 20) + 5), ((8 << 20) - 1, 8 << 20), (100, 11 << 20), (-7, None):
        spec = "bytes=%d" % first if last is None else "bytes=%d-%d" % (first, last)
        want = LARGE[first:] if last is None else LARGE[first:last + 1]
        assert body(Key="large", Range=spec, **OWN) == want, spec
    same(body(Key="large", PartNumber=2, **OWN), LARGE[8 << 20:])


def copies():
    source = {"CopySource": {"Bucket": BUCKET, "Key": "large"}, "CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}
    refused(s3.copy_object, 400, "InvalidRequest", Bucket=BUCKET, Key="copy", CopySource=source["CopySource"])
    s3.copy_object(Bucket=BUCKET, Key="copy", **source, **STRANGER)
    assert body(Key="copy", **STRANGER) == LARGE
    same(s3.copy_object(Bucket=BUCKET, Key="copy", ServerSideEncryption="AES256", **source)["ServerSideEncryption"], "AES256")
    assert body(Key="copy") == LARGE
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", **OWN)["UploadId"]
    at = dict(Bucket=BUCKET, Key="parts", UploadId=upload)
    refused(s3.upload_part, 400, "InvalidRequest", PartNumber=1, Body=b"x", **at)
    refused(s3.upload_part, 400, "InvalidRequest", PartNumber=1, Body=b"x", **at, **STRANGER)
    part = s3.upload_part_copy(PartNumber=1, CopySourceRange="bytes=1000-6000000", **at, **source, **OWN)["CopyPartResult"]
    s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **at)
    assert body(Key="parts", **OWN) == LARGE[1000:6000001]


def presigned():
    params = {"Bucket": BUCKET, "Key": "signed", **OWN}
    put = s3.generate_presigned_url("put_object", Params=params)
    same(pool.request("PUT", put, body=b"signed", headers=HEADERS).status, 200)
    get = s3.generate_presigned_url("get_object", Params=params)
    answer = pool.request("GET", get, headers=HEADERS)
    same((answer.status, answer.data), (200, b"signed"))
    same(answer.headers["x-amz-server-side-encryption-customer-key-MD5"], MD5)
    same(pool.request("GET", get, headers={}).status, 403)
    keyless = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "signed", "SSECustomerAlgorithm": "AES256"})
    answer = pool.request("GET", keyless, headers=HEADERS)
    same(answer.status, 403)
    assert b"x-amz-server-side-encryption-customer-key" in answer.data, answer.data


def forms():
    fields = dict(HEADERS)
    form = s3.generate_presigned_post(BUCKET, "form", Fields=fields, Conditions=[{name: value} for name, value in fields.items()])
    data, kind = urllib3.encode_multipart_formdata({**form["fields"], "file": ("file", b"form")})
    same(pool.request("POST", form["url"], body=data, headers={"Content-Type": kind}).status, 204)
    same(body(Key="form", **OWN), b"form")


step("SSE-S3", sse_s3)
step("default of the bucket", default)
step("SSE-C", customer)
step("SSE-C in parts", large)
step("copies", copies)
step("pre-signed SSE-C", presigned)
step("SSE-C in a form", forms)

"""What users of boto3 do to keep objects: object lock, retention, legal hold,
default retention, and pre-signed requests about them."""

import base64
import datetime
import hashlib
import time

from lib import BUCKET, answered, client, element, http, refused, same, step

PROTECTED = "Access Denied because object protected by object lock."


def soon(seconds=3600):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=seconds)


def md5(text):
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


def protected(call, **kwargs):
    same(refused(call, 403, "AccessDenied", **kwargs)["Error"]["Message"], PROTECTED)


def object_lock(mode, bucket):
    s3 = client(mode)

    def put(key, **more):
        return s3.put_object(Bucket=bucket, Key=key, Body=b"kept", ChecksumAlgorithm="SHA256", **more)["VersionId"]

    def governed(key, seconds=3600):
        return dict(Bucket=bucket, Key=key, VersionId=put(key, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=soon(seconds)))

    def configuration():
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        same(s3.get_bucket_versioning(Bucket=bucket)["Status"], "Enabled")
        same(s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"], {"ObjectLockEnabled": "Enabled"})
        refused(s3.put_bucket_versioning, 409, "InvalidBucketState", Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        for period in {"Days": 1}, {"Years": 2}:
            want = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", **period}}}
            s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=want)
            same(s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"], want)
        for bad, code in (({"Days": 0}, "InvalidArgument"), ({"Days": 1, "Years": 1}, "MalformedXML"), ({"Mode": "governance", "Days": 1}, "MalformedXML")):
            refused(s3.put_object_lock_configuration, 400, code, Bucket=bucket, ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", **bad}}})
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})

    def enabled_later():
        plain = bucket + "-later"
        s3.create_bucket(Bucket=plain)
        refused(s3.get_object_lock_configuration, 404, "ObjectLockConfigurationNotFoundError", Bucket=plain)
        refused(s3.put_object_lock_configuration, 409, "InvalidBucketState", Bucket=plain, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
        refused(s3.put_object, 400, "InvalidRequest", Bucket=plain, Key="a", Body=b"x", ChecksumAlgorithm="SHA256", ObjectLockLegalHoldStatus="ON")
        s3.put_object(Bucket=plain, Key="a", Body=b"x")
        refused(s3.get_object_retention, 400, "InvalidRequest", Bucket=plain, Key="a")
        refused(s3.delete_object, 400, "InvalidArgument", Bucket=plain, Key="a", BypassGovernanceRetention=True)
        s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object_lock_configuration(Bucket=plain, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
        s3.put_object_legal_hold(Bucket=plain, Key="a", LegalHold={"Status": "ON"})
        protected(s3.delete_object, Bucket=plain, Key="a", VersionId="null")
        s3.put_object_legal_hold(Bucket=plain, Key="a", LegalHold={"Status": "OFF"})
        s3.delete_object(Bucket=plain, Key="a", VersionId="null")
        s3.delete_bucket(Bucket=plain)

    def headers():
        until = soon()
        version = put("headers ü", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until, ObjectLockLegalHoldStatus="ON")
        head = s3.head_object(Bucket=bucket, Key="headers ü")
        same((head["ObjectLockMode"], head["ObjectLockRetainUntilDate"], head["ObjectLockLegalHoldStatus"]), ("GOVERNANCE", until, "ON"))
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "headers ü"})
        assert "ObjectLockMode" not in s3.head_object(Bucket=bucket, Key="copy")
        s3.put_object_legal_hold(Bucket=bucket, Key="headers ü", LegalHold={"Status": "OFF"})
        s3.delete_object(Bucket=bucket, Key="headers ü", VersionId=version, BypassGovernanceRetention=True)
        refused(s3.put_object, 400, "InvalidArgument", Bucket=bucket, Key="a", Body=b"x", ObjectLockMode="GOVERNANCE")
        refused(s3.put_object, 400, "InvalidArgument", Bucket=bucket, Key="a", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=soon(-60))

    def governance():
        at = governed("governed")
        protected(s3.delete_object, **at)
        same(s3.delete_object(Bucket=bucket, Key="governed")["DeleteMarker"], True)
        for change in {"Mode": "GOVERNANCE", "RetainUntilDate": soon(60)}, {"Mode": "COMPLIANCE", "RetainUntilDate": soon(7200)}:
            protected(s3.put_object_retention, Retention=change, **at)
        later = soon(7200)
        s3.put_object_retention(Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later}, **at)
        same(s3.get_object_retention(**at)["Retention"], {"Mode": "GOVERNANCE", "RetainUntilDate": later})
        s3.put_object_retention(Retention={"Mode": "GOVERNANCE", "RetainUntilDate": soon(60)}, BypassGovernanceRetention=True, **at)
        s3.put_object_retention(Retention={}, BypassGovernanceRetention=True, **at)
        refused(s3.get_object_retention, 404, "NoSuchObjectLockConfiguration", **at)
        s3.delete_object(**at)

    def compliance():
        at = dict(Bucket=bucket, Key="kept", VersionId=put("kept", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=soon(4)))
        protected(s3.delete_object, BypassGovernanceRetention=True, **at)
        protected(s3.put_object_retention, Retention={}, BypassGovernanceRetention=True, **at)
        protected(s3.put_object_retention, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": soon(60)}, BypassGovernanceRetention=True, **at)
        while "ObjectLockMode" in s3.head_object(**at):
            try:
                s3.delete_object(**at)
                break
            except s3.exceptions.ClientError:
                time.sleep(0.2)
        refused(s3.head_object, 404, **at)

    def legal_hold():
        at = dict(Bucket=bucket, Key="held", VersionId=put("held"))
        refused(s3.get_object_legal_hold, 404, "NoSuchObjectLockConfiguration", **at)
        s3.put_object_legal_hold(LegalHold={"Status": "ON"}, **at)
        same(s3.get_object_legal_hold(**at)["LegalHold"], {"Status": "ON"})
        protected(s3.delete_object, BypassGovernanceRetention=True, **at)
        s3.put_object_legal_hold(LegalHold={"Status": "OFF"}, **at)
        s3.delete_object(**at)

    def batches():
        one, two = governed("one"), dict(Bucket=bucket, Key="two", VersionId=put("two", ObjectLockLegalHoldStatus="ON"))
        named = {"Objects": [{"Key": at["Key"], "VersionId": at["VersionId"]} for at in (one, two)]}
        answer = s3.delete_objects(Bucket=bucket, Delete=named)
        same([(e["Key"], e["Code"], e["Message"]) for e in answer["Errors"]], [("one", "AccessDenied", PROTECTED), ("two", "AccessDenied", PROTECTED)])
        answer = s3.delete_objects(Bucket=bucket, Delete=named, BypassGovernanceRetention=True)
        same(([d["Key"] for d in answer["Deleted"]], [e["Key"] for e in answer["Errors"]]), (["one"], ["two"]))
        s3.put_object_legal_hold(LegalHold={"Status": "OFF"}, **two)
        s3.delete_object(**two)

    def default_retention():
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
        version = put("default")
        head = s3.head_object(Bucket=bucket, Key="default")
        left = head["ObjectLockRetainUntilDate"] - head["LastModified"] - datetime.timedelta(days=1)
        assert head["ObjectLockMode"] == "GOVERNANCE" and abs(left.total_seconds()) <= 2, head
        upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ChecksumAlgorithm="SHA256")["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part", ChecksumAlgorithm="SHA256")
        done = s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]})
        same(s3.head_object(Bucket=bucket, Key="parts")["ObjectLockMode"], "GOVERNANCE")
        url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "url"}, ExpiresIn=60)
        answered(http("PUT", url, body=b"x"), 400, "InvalidRequest",
                 "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
        answered(http("PUT", url, body=b"x", headers={"Content-MD5": md5("x")}), 200)
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
        for key, id in ("default", version), ("parts", done["VersionId"]):
            protected(s3.delete_object, Bucket=bucket, Key=key, VersionId=id)

    def presigned():
        at = governed("signed")

        def sign(operation, **params):
            return s3.generate_presigned_url(operation, Params={**at, **params}, ExpiresIn=60)

        answered(http("DELETE", sign("delete_object")), 403, "AccessDenied", PROTECTED)
        tree = answered(http("GET", sign("get_object_retention")), 200)
        same(element(tree, "Mode"), "GOVERNANCE")
        hold = "<LegalHold><Status>ON</Status></LegalHold>"
        answer = http("PUT", sign("put_object_legal_hold"), body=hold, headers={"Content-MD5": md5(hold)})
        answered(answer, 200)
        same(element(answered(http("GET", sign("get_object_legal_hold")), 200), "Status"), "ON")
        s3.put_object_legal_hold(LegalHold={"Status": "OFF"}, **at)
        until = soon()
        url = s3.generate_presigned_url("put_object", ExpiresIn=60, Params={
            "Bucket": bucket, "Key": "locked by url", "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until})
        sent = {"Content-MD5": md5("x"), "x-amz-object-lock-mode": "GOVERNANCE",
                "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        answered(http("PUT", url, body=b"x", headers={"Content-MD5": md5("x")}), 403, "SignatureDoesNotMatch")
        answered(http("PUT", url, body=b"x", headers={**sent, "x-amz-object-lock-mode": "COMPLIANCE"}), 403, "SignatureDoesNotMatch")
        answered(http("PUT", url, body=b"x", headers={**sent, "x-amz-object-lock-legal-hold": "ON"}), 403, "AccessDenied")
        answered(http("PUT", url, body=b"x", headers=sent), 200)
        same(s3.head_object(Bucket=bucket, Key="locked by url")["ObjectLockRetainUntilDate"], until)
        s3.delete_object(BypassGovernanceRetention=True, **at)

    for check in configuration, enabled_later, headers, governance, compliance, legal_hold, batches, default_retention, presigned:
        step(f"{mode}/object lock/{check.__name__.replace('_', ' ')}", check)


for each in "v4 path", "v4 virtual":
    object_lock(each, f"{BUCKET}-{each.split()[1]}")

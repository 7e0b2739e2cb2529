"""What users of boto3 do to have objects removed by age, and what tools ask of
settings that a bucket does not have."""

import datetime
import time

from lib import BUCKET, client, refused, same, step

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


def rule(identity="r", filter=None, **actions):
    return {"ID": identity, "Status": "Enabled", "Filter": {} if filter is None else filter, **actions}


def lifecycle(mode, bucket):
    s3 = client(mode)
    s3.create_bucket(Bucket=bucket)

    def put(*rules):
        return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)})

    def invalid(code, *rules):
        return refused(s3.put_bucket_lifecycle_configuration, 501 if code == "NotImplemented" else 400, code, Bucket=bucket,
                       LifecycleConfiguration={"Rules": list(rules)})["Error"]["Message"]

    def configuration():
        refused(s3.get_bucket_lifecycle_configuration, 404, "NoSuchLifecycleConfiguration", Bucket=bucket)
        s3.delete_bucket_lifecycle(Bucket=bucket)
        rules = [
            rule("every element", {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": ""}],
                                           "ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 10}},
                 Expiration={"Days": 3}, NoncurrentVersionExpiration={"NoncurrentDays": 4, "NewerNoncurrentVersions": 2}),
            rule("date", {"Prefix": "b/"}, Expiration={"Date": datetime.datetime(2040, 2, 3, tzinfo=datetime.timezone.utc)}),
            rule("tag", {"Tag": {"Key": "k", "Value": "v"}}, Expiration={"Days": 1}),
            rule("markers", Expiration={"ExpiredObjectDeleteMarker": True}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 5}),
        ]
        put(*rules)
        answer = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        same(answer["Rules"], rules)
        same(answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-transition-default-minimum-object-size"], "all_storage_classes_128K")
        put({"Status": "Enabled", "Prefix": "old/", "Expiration": {"Days": 1}})
        same(len(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"]), 48)

    def errors():
        same(invalid("InvalidArgument", rule(Expiration={"Days": 0})), "'Days' for Expiration action must be a positive integer")
        same(invalid("InvalidArgument", rule("x" * 256, Expiration={"Days": 1})), "ID length should not exceed allowed limit of 255")
        same(invalid("InvalidArgument", rule(Expiration={"Days": 1}), rule(Expiration={"Days": 2})),
             "Rule ID must be unique. Found same ID for more than one rule")
        same(invalid("InvalidArgument", rule(Expiration={"Date": PAST + datetime.timedelta(hours=1)})), "'Date' must be at midnight GMT")
        invalid("MalformedXML", rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True}))
        invalid("MalformedXML", {**rule(Expiration={"Days": 1}), "Status": "enabled"})
        invalid("InvalidRequest", rule())
        invalid("NotImplemented", rule(Transitions=[{"Days": 30, "StorageClass": "GLACIER"}]))

    def headers():
        put(rule("a rule", {"Prefix": "logs/"}, Expiration={"Days": 1}), rule("abort", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}))
        stored = s3.put_object(Bucket=bucket, Key="logs/a", Body=b"x")
        made = s3.head_object(Bucket=bucket, Key="logs/a")["LastModified"]
        due = (made + datetime.timedelta(days=2)).replace(hour=0, minute=0, second=0)
        want = f'expiry-date="{due:%a, %d %b %Y} 00:00:00 GMT", rule-id="a%20rule"'
        same(stored["Expiration"], want)
        same(s3.head_object(Bucket=bucket, Key="logs/a")["Expiration"], want)
        same(s3.get_object(Bucket=bucket, Key="logs/a")["Expiration"], want)
        same("Expiration" in s3.put_object(Bucket=bucket, Key="log", Body=b"x"), False)
        upload = s3.create_multipart_upload(Bucket=bucket, Key="logs/b")
        same((upload["AbortDate"].hour, upload["AbortRuleId"]), (0, "abort"))
        same(s3.list_parts(Bucket=bucket, Key="logs/b", UploadId=upload["UploadId"])["AbortRuleId"], "abort")
        s3.abort_multipart_upload(Bucket=bucket, Key="logs/b", UploadId=upload["UploadId"])

    def removal():
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        put(rule(Expiration={"Date": PAST}, filter={"Prefix": "gone/"}))
        s3.put_object(Bucket=bucket, Key="gone/a", Body=b"x")
        s3.put_object(Bucket=bucket, Key="stays", Body=b"x")
        # The day's work may be over: a change begins it anew.
        put(rule("again", Expiration={"Date": PAST}, filter={"Prefix": "gone/"}))
        for _ in range(200):
            markers = s3.list_object_versions(Bucket=bucket, Prefix="gone/").get("DeleteMarkers", [])
            if markers:
                break
            time.sleep(0.1)
        same([m["Key"] for m in markers], ["gone/a"])
        refused(s3.get_object, 404, "NoSuchKey", Bucket=bucket, Key="gone/a")
        same(len(s3.list_object_versions(Bucket=bucket, Prefix="gone/")["Versions"]), 1)
        s3.head_object(Bucket=bucket, Key="stays")

    def unset():
        same("Status" in s3.get_bucket_accelerate_configuration(Bucket=bucket), False)
        same(s3.get_bucket_request_payment(Bucket=bucket)["Payer"], "BucketOwner")
        refused(s3.get_bucket_website, 404, "NoSuchWebsiteConfiguration", Bucket=bucket)
        s3.delete_bucket_website(Bucket=bucket)
        refused(s3.get_bucket_replication, 404, "ReplicationConfigurationNotFoundError", Bucket=bucket)
        s3.delete_bucket_replication(Bucket=bucket)
        for list_all, get in ((s3.list_bucket_inventory_configurations, s3.get_bucket_inventory_configuration),
                              (s3.list_bucket_analytics_configurations, s3.get_bucket_analytics_configuration),
                              (s3.list_bucket_metrics_configurations, s3.get_bucket_metrics_configuration),
                              (s3.list_bucket_intelligent_tiering_configurations, s3.get_bucket_intelligent_tiering_configuration)):
            same(list_all(Bucket=bucket)["IsTruncated"], False)
            refused(get, 404, "NoSuchConfiguration", Bucket=bucket, Id="x")
        s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
        same(s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"], "Suspended")
        refused(s3.put_bucket_accelerate_configuration, 501, "NotImplemented", Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
        s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
        refused(s3.put_bucket_request_payment, 501, "NotImplemented", Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})

    for check in configuration, errors, headers, removal, unset:
        step(f"{mode}/lifecycle/{check.__name__}", check)


for each in "v4 path", "v4 virtual":
    lifecycle(each, f"{BUCKET}-{each.split()[1]}")

"""What users of boto3 do with objects beyond putting and getting them."""

import base64
import datetime
import hashlib
import os
import tempfile

from boto3.s3.transfer import TransferConfig

from lib import BUCKET, client, refused, same, step

MIB = 1 << 20
KEY = "dir ü+/a b&c=日本.bin"
PLAIN = "plain"


def content(size, salt=0):
    line = bytes((i + salt) % 251 for i in range(251))
    return (line * (size // 251 + 1))[:size]


def read(answer):
    return answer["Body"].read()


def md5(body):
    return hashlib.md5(body).digest()


def sha256(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def composite(parts):
    """The ETag, without its quotes, of an object uploaded in parts."""
    return f"{md5(b''.join(md5(p) for p in parts)).hex()}-{len(parts)}"


def with_header(s3, operation, **headers):
    """Adds headers that this boto3 has no parameter for."""
    handler = lambda params, **_: params["headers"].update(headers)
    event = f"before-call.s3.{operation}"
    s3.meta.events.register(event, handler)
    return lambda: s3.meta.events.unregister(event, handler)


def suite(mode):
    s3 = client(mode)
    bucket = f"{BUCKET}-{mode.replace(' ', '-')}"
    at = dict(Bucket=bucket, Key=KEY)

    def run(name, check):
        step(f"{mode}/{name}", check)

    def upload(parts, key=KEY, algorithm=None):
        """Begins a multipart upload and returns its id and what completes it."""
        more = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
        done = []
        for number, body in enumerate(parts, 1):
            part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body, **more)
            same(part["ETag"], f'"{md5(body).hex()}"')
            done.append({"PartNumber": number, **{k: v for k, v in part.items() if k == "ETag" or k.startswith("Checksum")}})
        return upload_id, done

    def complete(upload_id, parts, key=KEY, **more):
        return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **more)

    # Multipart uploads

    def transfer():
        chunk = 8 * MIB
        body = content(40 * MIB)
        settings = TransferConfig(multipart_threshold=chunk, multipart_chunksize=chunk, max_concurrency=4)
        with tempfile.TemporaryDirectory() as tmp:
            source, copy = os.path.join(tmp, "source"), os.path.join(tmp, "copy")
            with open(source, "wb") as f:
                f.write(body)
            s3.upload_file(source, bucket, KEY, Config=settings, ExtraArgs={"ContentType": "text/x-e2e", "Metadata": {"color": "green"}})
            s3.download_file(bucket, KEY, copy, Config=settings)
            with open(copy, "rb") as f:
                assert f.read() == body, "the file came back changed"
        head = s3.head_object(**at)
        same((head["ContentLength"], head["ContentType"], head["Metadata"]), (len(body), "text/x-e2e", {"color": "green"}))
        same(head["ETag"], f'"{composite([body[i:i + chunk] for i in range(0, len(body), chunk)])}"')
        part = s3.get_object(PartNumber=2, **at)
        same((part["PartsCount"], part["ContentLength"], part["ContentRange"]), (5, chunk, f"bytes {chunk}-{2 * chunk - 1}/{len(body)}"))
        assert read(part) == body[chunk:2 * chunk], "part 2 is another"
        same(s3.head_object(PartNumber=5, **at)["ContentLength"], chunk)
        refused(s3.get_object, 416, "InvalidPartNumber", PartNumber=6, **at)
        # A range that begins in one part and ends in the next but one.
        first, last = chunk - 10, 2 * chunk + 10
        same(read(s3.get_object(Range=f"bytes={first}-{last}", **at)), body[first:last + 1])
        same(read(s3.get_object(Range="bytes=-5", **at)), body[-5:])
        # Copies of large objects are made of parts as well.
        s3.copy({"Bucket": bucket, "Key": KEY}, bucket, "managed copy", Config=settings)
        assert read(s3.get_object(Bucket=bucket, Key="managed copy")) == body, "the copy differs"

    def parts():
        bodies = [content(5 * MIB, 1), content(5 * MIB, 2), b"end"]
        upload_id, done = upload(bodies)
        uploads = s3.list_multipart_uploads(Bucket=bucket, Prefix="dir ü+/")
        same([(u["Key"], u["UploadId"]) for u in uploads["Uploads"]], [(KEY, upload_id)])
        pages = list(s3.get_paginator("list_parts").paginate(UploadId=upload_id, PaginationConfig={"PageSize": 2}, **at))
        same([(p["PartNumber"], p["Size"], p["ETag"]) for page in pages for p in page["Parts"]],
             [(d["PartNumber"], len(b), d["ETag"]) for d, b in zip(done, bodies)])
        same(len(pages), 2)
        # A part may be sent again; the last one counts.
        bodies[1] = content(6 * MIB, 3)
        done[1]["ETag"] = s3.upload_part(UploadId=upload_id, PartNumber=2, Body=bodies[1], **at)["ETag"]
        refused(complete, 400, "InvalidPartOrder", upload_id=upload_id, parts=[done[1], done[0]])
        refused(complete, 400, "InvalidPart", upload_id=upload_id, parts=[done[0], {**done[1], "ETag": done[2]["ETag"]}])
        refused(complete, 400, "InvalidPart", upload_id=upload_id, parts=[done[0], {"PartNumber": 9, "ETag": done[0]["ETag"]}])
        refused(s3.upload_part, 400, "InvalidArgument", UploadId=upload_id, PartNumber=10001, Body=b"x", **at)
        answer = complete(upload_id, done)
        same(answer["ETag"], f'"{composite(bodies)}"')
        same((answer["Bucket"], answer["Key"]), (bucket, KEY))
        assert read(s3.get_object(**at)) == b"".join(bodies), "the parts were put together wrongly"
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket), "a completed upload is still listed"
        refused(s3.list_parts, 404, "NoSuchUpload", UploadId=upload_id, **at)
        refused(s3.upload_part, 404, "NoSuchUpload", UploadId=upload_id, PartNumber=1, Body=b"x", **at)

    def abort():
        upload_id, done = upload([b"small", b"parts"], "aborted")
        refused(complete, 400, "EntityTooSmall", upload_id=upload_id, parts=done, key="aborted")
        where = dict(Bucket=bucket, Key="aborted")
        s3.abort_multipart_upload(UploadId=upload_id, **where)
        refused(s3.abort_multipart_upload, 404, "NoSuchUpload", UploadId=upload_id, **where)
        refused(complete, 404, "NoSuchUpload", upload_id=upload_id, parts=done, key="aborted")
        refused(s3.head_object, 404, **where)
        keys = [f"list/{i}" for i in range(5)]
        ids = {key: s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in keys}
        pages = list(s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}))
        same([u["Key"] for page in pages for u in page["Uploads"]], keys)
        same(len(pages), 3)
        same(s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")["CommonPrefixes"], [{"Prefix": "list/"}])
        for key, upload_id in ids.items():
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)

    def part_copy():
        body = content(12 * MIB, 4)
        source = {"Bucket": bucket, "Key": "source ü+%.bin"}
        etag = s3.put_object(Body=body, **source)["ETag"]
        upload_id = s3.create_multipart_upload(**at)["UploadId"]
        pieces, done = [(5 * MIB, 11 * MIB), (0, 5 * MIB), (7, 8)], []
        for number, (first, end) in enumerate(pieces, 1):
            part = s3.upload_part_copy(UploadId=upload_id, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={first}-{end - 1}", **at)
            done.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        copy = dict(UploadId=upload_id, PartNumber=4, CopySource=source, **at)
        refused(s3.upload_part_copy, 412, "PreconditionFailed", CopySourceIfNoneMatch=etag, **copy)
        refused(s3.upload_part_copy, 400, "InvalidArgument", CopySourceRange=f"bytes=0-{len(body)}", **copy)
        refused(s3.upload_part_copy, 404, "NoSuchKey", **{**copy, "CopySource": {"Bucket": bucket, "Key": "none"}})
        complete(upload_id, done)
        assert read(s3.get_object(**at)) == b"".join(body[a:b] for a, b in pieces), "the copied parts are others"

    def checksums():
        bodies = [content(5 * MIB, 5), b"the end"]
        upload_id, done = upload(bodies, algorithm="SHA256")
        same([d["ChecksumSHA256"] for d in done], [sha256(b) for b in bodies])
        wrong = dict(UploadId=upload_id, PartNumber=3, Body=b"x", ChecksumSHA256=sha256(b"y"), **at)
        refused(s3.upload_part, 400, "BadDigest", **wrong)
        refused(s3.upload_part, 400, "InvalidRequest", UploadId=upload_id, PartNumber=3, Body=b"without", **at)
        refused(complete, 400, "InvalidRequest", upload_id=upload_id, parts=[{k: d[k] for k in ("PartNumber", "ETag")} for d in done])
        refused(complete, 400, "InvalidPart", upload_id=upload_id, parts=[done[0], {**done[1], "ChecksumSHA256": sha256(b"y")}])
        listed = s3.list_parts(UploadId=upload_id, **at)
        same((listed["ChecksumAlgorithm"], [p["ChecksumSHA256"] for p in listed["Parts"]]), ("SHA256", [sha256(b) for b in bodies]))
        want = base64.b64encode(hashlib.sha256(b"".join(hashlib.sha256(b).digest() for b in bodies)).digest()).decode()
        same(complete(upload_id, done)["ChecksumSHA256"], want + "-2")
        same(s3.head_object(ChecksumMode="ENABLED", **at)["ChecksumSHA256"], want + "-2")
        same(s3.get_object(PartNumber=1, ChecksumMode="ENABLED", **at)["ChecksumSHA256"], sha256(bodies[0]))
        got = s3.get_object_attributes(ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"], **at)
        same((got["ETag"], got["ObjectSize"], got["StorageClass"]), (composite(bodies), 5 * MIB + 7, "STANDARD"))
        same(got["Checksum"]["ChecksumSHA256"], want)  # here without the number of parts
        same(got["ObjectParts"]["TotalPartsCount"], 2)
        same([(p["PartNumber"], p["Size"], p["ChecksumSHA256"]) for p in got["ObjectParts"]["Parts"]],
             [(n, len(b), sha256(b)) for n, b in enumerate(bodies, 1)])
        got = s3.get_object_attributes(ObjectAttributes=["ObjectParts"], MaxParts=1, **at)
        same((len(got["ObjectParts"]["Parts"]), got["ObjectParts"]["IsTruncated"]), (1, True))
        assert "ETag" not in got, got

    def attributes_of_one_piece():
        s3.put_object(Bucket=bucket, Key=PLAIN, Body=b"plain", ChecksumAlgorithm="SHA256")
        got = s3.get_object_attributes(Bucket=bucket, Key=PLAIN, ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"])
        same((got["ETag"], got["ObjectSize"], got["Checksum"]["ChecksumSHA256"]), (md5(b"plain").hex(), 5, sha256(b"plain")))
        assert "ObjectParts" not in got, got
        refused(s3.get_object_attributes, 404, "NoSuchKey", Bucket=bucket, Key="none", ObjectAttributes=["ETag"])

    # Copies

    def copies():
        source = {"Bucket": bucket, "Key": "from ü+&%20"}
        put = s3.put_object(Body=b"copy me", ContentType="text/x-one", Metadata={"color": "green"}, Tagging="a=1&b=2", **source)
        target = dict(Bucket=bucket, Key="to ü+&%20")
        tags = lambda: {t["Key"]: t["Value"] for t in s3.get_object_tagging(**target)["TagSet"]}
        copied = s3.copy_object(CopySource=source, **target)["CopyObjectResult"]
        same(copied["ETag"], put["ETag"])
        got = s3.get_object(**target)
        same((read(got), got["ContentType"], got["Metadata"], tags()), (b"copy me", "text/x-one", {"color": "green"}, {"a": "1", "b": "2"}))
        s3.copy_object(CopySource=source, MetadataDirective="REPLACE", ContentType="text/x-two", Metadata={"sky": "blue"}, **target)
        got = s3.head_object(**target)
        same((got["ContentType"], got["Metadata"], tags()), ("text/x-two", {"sky": "blue"}, {"a": "1", "b": "2"}))
        s3.copy_object(CopySource=source, TaggingDirective="REPLACE", Tagging="c=3", **target)
        same((s3.head_object(**target)["Metadata"], tags()), ({"color": "green"}, {"c": "3"}))
        s3.copy_object(CopySource=source, TaggingDirective="REPLACE", **target)
        same(tags(), {})

        # Onto itself only with a change.
        refused(s3.copy_object, 400, "InvalidRequest", CopySource=source, **source)
        s3.copy_object(CopySource=source, MetadataDirective="REPLACE", Metadata={"new": "1"}, **source)
        got = s3.get_object(**source)
        same((read(got), got["Metadata"]), (b"copy me", {"new": "1"}))
        s3.copy_object(CopySource=source, StorageClass="STANDARD_IA", **source)
        same(s3.head_object(**source)["StorageClass"], "STANDARD_IA")

        # Conditions on the source.
        etag, past = put["ETag"], datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        for condition in dict(CopySourceIfMatch='"other"'), dict(CopySourceIfNoneMatch=etag), dict(CopySourceIfUnmodifiedSince=past):
            refused(s3.copy_object, 412, "PreconditionFailed", CopySource=source, **condition, **target)
        s3.copy_object(CopySource=source, CopySourceIfMatch=etag, CopySourceIfModifiedSince=past, **target)
        refused(s3.copy_object, 404, "NoSuchKey", CopySource={"Bucket": bucket, "Key": "none"}, **target)
        refused(s3.copy_object, 404, "NoSuchBucket", CopySource={"Bucket": bucket + "-none", "Key": "none"}, **target)
        # The copy lives on without its source.
        s3.delete_object(**source)
        same(read(s3.get_object(**target)), b"copy me")

    # Tags

    def tagging():
        where = dict(Bucket=bucket, Key="tagged")
        tag_set = lambda **tags: {"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}
        s3.put_object(Body=b"x", **where)
        same(s3.get_object_tagging(**where)["TagSet"], [])
        s3.put_object_tagging(Tagging=tag_set(kind="ü +/=", empty=""), **where)
        same({t["Key"]: t["Value"] for t in s3.get_object_tagging(**where)["TagSet"]}, {"kind": "ü +/=", "empty": ""})
        same(s3.get_object(**where)["TagCount"], 2)
        same(s3.head_object(**where)["ResponseMetadata"]["HTTPHeaders"].get("x-amz-tagging-count"), "2")
        refused(s3.put_object_tagging, 400, "BadRequest", Tagging=tag_set(**{f"k{i}": "v" for i in range(11)}), **where)
        refused(s3.put_object_tagging, 400, "InvalidTag", Tagging=tag_set(**{"k" * 129: "v"}), **where)
        refused(s3.put_object, 400, "InvalidArgument", Body=b"x", Tagging="a=1&a=2", **where)
        s3.delete_object_tagging(**where)
        same(s3.get_object_tagging(**where)["TagSet"], [])
        refused(s3.get_object_tagging, 404, "NoSuchKey", Bucket=bucket, Key="none")
        refused(s3.get_bucket_tagging, 404, "NoSuchTagSet", Bucket=bucket)
        s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(team="e2e"))
        same(s3.get_bucket_tagging(Bucket=bucket)["TagSet"], [{"Key": "team", "Value": "e2e"}])
        s3.delete_bucket_tagging(Bucket=bucket)
        refused(s3.get_bucket_tagging, 404, "NoSuchTagSet", Bucket=bucket)

    # Conditions

    def conditions():
        where = dict(Bucket=bucket, Key="conditional")
        etag = s3.put_object(Body=b"1", **where)["ETag"]
        same(read(s3.get_object(IfMatch=etag, **where)), b"1")
        refused(s3.get_object, 412, "PreconditionFailed", IfMatch='"other"', **where)
        refused(s3.get_object, 304, IfNoneMatch=etag, **where)
        refused(s3.get_object, 304, IfModifiedSince=datetime.datetime.now(datetime.timezone.utc), **where)
        undo = with_header(s3, "PutObject", **{"If-Match": etag})
        second = s3.put_object(Body=b"2", **where)["ETag"]
        refused(s3.put_object, 412, "PreconditionFailed", Body=b"3", **where)
        refused(s3.put_object, 404, "NoSuchKey", Body=b"3", Bucket=bucket, Key="none")
        undo()
        same(s3.head_object(**where)["ETag"], second)
        upload_id, done = upload([b"multipart"], "conditional")
        undo = with_header(s3, "CompleteMultipartUpload", **{"If-None-Match": "*"})
        refused(complete, 412, "PreconditionFailed", upload_id=upload_id, parts=done, key="conditional")
        undo()
        same(read(s3.get_object(**where)), b"2")
        complete(upload_id, done, "conditional")
        same(read(s3.get_object(**where)), b"multipart")

    # New buckets ignore access control lists.

    def ownership():
        controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
        same(controls, {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
        refused(s3.put_object, 400, "AccessControlListNotSupported", Body=b"x", ACL="public-read", **at)
        refused(s3.put_object_acl, 400, "AccessControlListNotSupported", ACL="public-read", Bucket=bucket, Key=PLAIN)
        refused(s3.put_bucket_acl, 400, "AccessControlListNotSupported", ACL="public-read", Bucket=bucket)
        s3.put_object(Body=b"x", ACL="bucket-owner-full-control", **at)
        same([g["Permission"] for g in s3.get_object_acl(**at)["Grants"]], ["FULL_CONTROL"])

    def empty():
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": c["Key"]} for c in page["Contents"]]})
        s3.delete_bucket(Bucket=bucket)

    run("create bucket", lambda: s3.create_bucket(Bucket=bucket))
    run("40 MiB in parts of 8 MiB", transfer)
    run("parts", parts)
    run("abort", abort)
    run("part copy", part_copy)
    run("checksums", checksums)
    run("attributes", attributes_of_one_piece)
    run("copies", copies)
    run("tagging", tagging)
    run("conditions", conditions)
    run("ownership", ownership)
    run("versions", lambda: versions(s3, bucket + "-versions"))
    run("versions suspended", lambda: suspended(s3, bucket + "-suspended"))
    run("delete all", empty)


def versions(s3, bucket):
    s3.create_bucket(Bucket=bucket)
    at = dict(Bucket=bucket, Key=KEY)
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "VersionId" not in s3.put_object(Body=b"before", **at)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    same(s3.get_bucket_versioning(Bucket=bucket)["Status"], "Enabled")
    first, second = (s3.put_object(Body=body, **at)["VersionId"] for body in (b"first", b"second"))

    def listed(**more):
        page = s3.list_object_versions(Bucket=bucket, **more)
        return [(v["VersionId"], v["IsLatest"]) for v in page.get("Versions", [])], [(m["VersionId"], m["IsLatest"]) for m in page.get("DeleteMarkers", [])]

    same(listed(), ([(second, True), (first, False), ("null", False)], []))
    same([read(s3.get_object(VersionId=v, **at)) for v in (first, second, "null")], [b"first", b"second", b"before"])
    same(s3.head_object(**at)["VersionId"], second)
    refused(s3.get_object, 404, "NoSuchVersion", VersionId=second[:-1] + ("a" if second[-1] != "a" else "b"), **at)

    # Deleting only hides; deleting what hides restores.
    deleted = s3.delete_object(**at)
    marker = deleted["VersionId"]
    assert deleted["DeleteMarker"], deleted
    gone = refused(s3.get_object, 404, "NoSuchKey", **at)["ResponseMetadata"]["HTTPHeaders"]
    same((gone["x-amz-delete-marker"], gone["x-amz-version-id"]), ("true", marker))
    hidden = refused(s3.get_object, 405, "MethodNotAllowed", VersionId=marker, **at)["ResponseMetadata"]["HTTPHeaders"]
    same(hidden["x-amz-delete-marker"], "true")
    same(listed(), ([(second, False), (first, False), ("null", False)], [(marker, True)]))
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket), "what is deleted is listed"
    same(read(s3.get_object(VersionId=first, **at)), b"first")
    undone = s3.delete_object(VersionId=marker, **at)
    same((undone["DeleteMarker"], undone["VersionId"]), (True, marker))
    same(read(s3.get_object(**at)), b"second")

    # One version is deleted for ever.
    same(s3.delete_object(VersionId=second, **at)["VersionId"], second)
    same(read(s3.get_object(**at)), b"first")
    refused(s3.get_object, 404, "NoSuchVersion", VersionId=second, **at)

    # An old version is restored by a copy of it, and has tags of its own.
    source = dict(Bucket=bucket, Key=KEY, VersionId="null")
    s3.put_object_tagging(VersionId="null", Tagging={"TagSet": [{"Key": "age", "Value": "old"}]}, **at)
    copy = s3.copy_object(CopySource=source, **at)
    same(copy["CopySourceVersionId"], "null")
    same((read(s3.get_object(**at)), s3.get_object(**at)["VersionId"]), (b"before", copy["VersionId"]))
    same(s3.get_object_tagging(VersionId=first, **at)["TagSet"], [])
    same(s3.get_object_tagging(**at)["TagSet"], [{"Key": "age", "Value": "old"}])
    same(s3.get_object_attributes(VersionId=first, ObjectAttributes=["ObjectSize"], **at)["ObjectSize"], 5)

    # A multipart upload is a version, too.
    upload_id = s3.create_multipart_upload(**at)["UploadId"]
    part = s3.upload_part(UploadId=upload_id, PartNumber=1, Body=b"in parts", **at)
    done = s3.complete_multipart_upload(UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **at)
    same(s3.get_object(**at)["VersionId"], done["VersionId"])

    # Listings go on where they ended, and know prefixes.
    others = [f"other/{i}" for i in range(5)]
    for key in others:
        for body in b"1", b"2":
            s3.put_object(Bucket=bucket, Key=key, Body=body)
    s3.delete_object(Bucket=bucket, Key=others[0])
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4}))
    found = [(v["Key"], v["VersionId"]) for page in pages for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    same(sorted(key for key, _ in found), sorted([KEY] * 4 + others * 2 + others[:1]))
    same(len(set(found)), len(found))
    same(len(pages), 4)
    same(len(listed(Prefix="other/")[0]), 10)
    page = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    same(sorted(p["Prefix"] for p in page["CommonPrefixes"]), sorted(["dir ü+/", "other/"]))

    refused(s3.delete_bucket, 409, "BucketNotEmpty", Bucket=bucket)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k, "VersionId": v} for k, v in found]})
    same((len(answer["Deleted"]), answer.get("Errors", [])), (len(found), []))
    s3.delete_bucket(Bucket=bucket)


def suspended(s3, bucket):
    s3.create_bucket(Bucket=bucket)
    at = dict(Bucket=bucket, Key=PLAIN)
    set_to = lambda status: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    set_to("Enabled")
    kept = s3.put_object(Body=b"kept", **at)["VersionId"]
    set_to("Suspended")
    same(s3.get_bucket_versioning(Bucket=bucket)["Status"], "Suspended")
    for body in b"null 1", b"null 2":
        same(s3.put_object(Body=body, **at).get("VersionId", "null"), "null")
    same([v["VersionId"] for v in s3.list_object_versions(Bucket=bucket)["Versions"]], ["null", kept])
    same(read(s3.get_object(VersionId="null", **at)), b"null 2")
    # The marker takes the null version's place.
    deleted = s3.delete_object(**at)
    same((deleted["DeleteMarker"], deleted["VersionId"]), (True, "null"))
    page = s3.list_object_versions(Bucket=bucket)
    same([v["VersionId"] for v in page["Versions"]], [kept])
    same([m["VersionId"] for m in page["DeleteMarkers"]], ["null"])
    s3.delete_object(VersionId="null", **at)
    same(read(s3.get_object(**at)), b"kept")
    # Deletion of many at once tells the markers that it made.
    set_to("Enabled")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": PLAIN}]})["Deleted"]
    same((len(answer), answer[0]["DeleteMarker"]), (1, True))
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": PLAIN, "VersionId": v} for v in (kept, answer[0]["DeleteMarkerVersionId"])]})
    s3.delete_bucket(Bucket=bucket)


suite("v4 virtual")

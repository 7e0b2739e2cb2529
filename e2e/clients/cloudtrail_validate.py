"""Validates a trail with the code of "aws cloudtrail validate-logs", which finds
the files in a directory instead of a bucket, and the public key in its settings
instead of CloudTrail's API. Arguments: directory, trail ARN, start, end, public
key (DER, base64), fingerprint."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

from awscli.customizations.cloudtrail.validation import CloudTrailValidateLogs
from botocore.exceptions import ClientError

root, arn, start, end, key, fingerprint = sys.argv[1:]
METADATA = ".metadata"


class Bucket:
    """What the AWS command line uses of an S3 client."""

    def get_client(self, _bucket):
        return self

    def get_paginator(self, _operation):
        return self

    def paginate(self, Bucket, Marker):
        names = sorted(p.relative_to(root).as_posix() for p in Path(root).rglob("*.gz"))
        return SimpleNamespace(search=lambda _: [n for n in names if n > Marker])

    def get_object(self, Bucket, Key):
        file, metadata = Path(root, Key), Path(root, Key + METADATA)
        if not file.exists():
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(file.read_bytes()), "Metadata": json.loads(metadata.read_text()) if metadata.exists() else {}}


class CloudTrail:
    def list_public_keys(self, **_):
        return {"PublicKeyList": [{"Fingerprint": fingerprint, "Value": key}]}


class Validate(CloudTrailValidateLogs):
    def setup_services(self, parsed_globals):
        self._source_region = parsed_globals.region
        self.s3_client_provider, self.cloudtrail_client, self.organization_client = Bucket(), CloudTrail(), None


args = SimpleNamespace(trail_arn=arn, verbose=True, s3_bucket="trail", s3_prefix=None, account_id=None, start_time=start, end_time=end)
sys.exit(Validate(None)._run_main(args, SimpleNamespace(region=arn.split(":")[3])))

# Follows the examples in docs/limits, whose functions allow_limits and pin_tag
# it uses: mints what the Go test asks for, and prints all of it at once.
import json

from botocore.handlers import set_list_objects_encoding_type_url

s3.meta.events.unregister("before-parameter-build.s3.ListObjectsV2", set_list_objects_encoding_type_url)
told = json.loads(os.environ["DAYPASS_E2E"])
operations = {"get": "get_object", "put": "put_object", "list": "list_objects_v2"}
minted = {}
for name, want in told["mint"].items():
    limits = want["limits"]
    if want["pin"]:
        limits["x-daypass-pin"] = pin_tag(os.environ["AWS_SECRET_ACCESS_KEY"], want["pin"])
    if want["action"] == "form":
        minted[name] = s3.generate_presigned_post(
            told["bucket"], want["key"], Fields=dict(limits), Conditions=[{name: value} for name, value in limits.items()])
    else:
        params = {"Bucket": told["bucket"], "Limits": limits, **({"Key": want["key"]} if want["key"] else {})}
        minted[name] = {"url": s3.generate_presigned_url(operations[want["action"]], Params=params)}
# Where signature_version is forgotten, this boto3 may leave the limits out.
forgetful = allow_limits(boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"]))
try:
    url = forgetful.generate_presigned_url("get_object", Params={"Bucket": told["bucket"], "Key": "k", "Limits": {"x-daypass-uses": "1"}})
    assert "&x-daypass-uses=1&" in url.replace("?", "&") and "X-Amz-Signature=" in url, url
except ValueError as error:
    assert "s3v4" in str(error), error
tags = [pin_tag(v["secret"], v["pin"], bytes.fromhex(v["salt_hex"])) for v in told["vectors"]]
print(json.dumps({"minted": minted, "tags": tags}))

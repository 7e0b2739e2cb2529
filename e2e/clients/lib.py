"""What the Python clients share: the settings that the Go test passes in, the
lines of JSON that tell it what happened, and clients of every kind."""

import json
import os
import socket
import traceback
from xml.etree import ElementTree

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import ClientError

config = json.loads(os.environ["DAYPASS_E2E"])
BUCKET, KEYS = config["bucket"], config["keys"]

# *.localhost may not resolve, but it always means this machine.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **kw: resolve(
    "127.0.0.1" if str(host).endswith("localhost") else host, *rest, **kw)


def emit(line):
    print(json.dumps(line), flush=True)


def step(name, check):
    """Runs one check and reports its outcome; later steps still run."""
    try:
        check()
        emit({"step": name})
    except Exception:  # whatever it is, the Go test shows it
        emit({"step": name, "error": traceback.format_exc()})


def refused(call, status, code=None, **kwargs):
    """Expects a refusal and returns its answer."""
    try:
        call(**kwargs)
    except ClientError as error:
        got = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        assert got[0] == status and code in (None, got[1]), (got, error.response["Error"].get("Message"))
        return error.response
    raise AssertionError("succeeds, should be refused")


def same(got, want):
    assert got == want, f"got {str(got)[:2000]}, want {str(want)[:2000]}"


MODES = {
    "v2 path": dict(s3={"addressing_style": "path"}),
    "v2 virtual": dict(s3={"addressing_style": "virtual"}),
    "v4 path": dict(signature_version="s3v4", s3={"addressing_style": "path"}),
    "v4 virtual": dict(signature_version="s3v4", s3={"addressing_style": "virtual"}),
}


def client(mode, key=config["accessKeyId"], secret=config["secretAccessKey"], region=config["region"], token=None):
    return boto3.client(
        "s3", endpoint_url=config["endpoint"], region_name=region, aws_access_key_id=key, aws_secret_access_key=secret,
        aws_session_token=token, config=Config(retries={"max_attempts": 0}, **MODES[mode]))


# A client that signs nothing.
anonymous = boto3.client("s3", endpoint_url=config["endpoint"], region_name=config["region"],
                         config=Config(retries={"max_attempts": 0}, signature_version=UNSIGNED, s3={"addressing_style": "path"}))

pool = urllib3.PoolManager(retries=False, timeout=60)


def http(method, url, body=None, headers=None, fields=None):
    """Sends a request as a program without any SDK does; fields make a form."""
    if fields is not None:
        form, kind = urllib3.encode_multipart_formdata(fields)
        return pool.request(method, url, body=form, headers={"Content-Type": kind, **(headers or {})}, redirect=False)
    return pool.request(method, url, body=body, headers=headers, redirect=False)


def answered(response, status, code=None, message=None):
    """Checks an answer and returns its body, parsed where it is XML."""
    text = response.data.decode()
    assert response.status == status, f"status {response.status}, want {status} {code or ''}\n{text}"
    tree = ElementTree.fromstring(text) if text.startswith("<") else None
    if code is not None:
        same(tree.findtext("Code"), code)
    if message is not None:
        same(tree.findtext("Message"), message)
    return tree


def element(tree, name):
    """Returns the text of an element, whatever its namespace."""
    return tree.findtext("{*}" + name)

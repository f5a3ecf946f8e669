"""Calls every operation with boto3 and holds each raw answer against botocore's own model of the service.

Prints one JSON object a line: {"name", "ok", "ms", "message"}. Takes the endpoint and the keys from AWS_* variables.
"""

import base64
import hashlib
import json
import os
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ACCOUNT = os.environ["BERTH_TEST_ACCOUNT"]
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MIB = 1024 * 1024

OPERATIONS = """CreateRepository DescribeRepositories DeleteRepository ListImages DescribeImages BatchGetImage
BatchDeleteImage PutImage InitiateLayerUpload UploadLayerPart CompleteLayerUpload BatchCheckLayerAvailability
GetDownloadUrlForLayer GetAuthorizationToken PutImageTagMutability PutImageScanningConfiguration TagResource
UntagResource ListTagsForResource SetRepositoryPolicy GetRepositoryPolicy DeleteRepositoryPolicy DescribeRegistry
ListImageReferrers GetAccountSetting PutAccountSetting UpdateImageStorageClass RegisterPullTimeUpdateExclusion
ListPullTimeUpdateExclusions DeregisterPullTimeUpdateExclusion PutLifecyclePolicy GetLifecyclePolicy
DeleteLifecyclePolicy StartLifecyclePolicyPreview GetLifecyclePolicyPreview GetCallerIdentity GetSessionToken""".split()

# Errors that a service may send from any operation without declaring them.
COMMON_ERRORS = """AccessDeniedException ExpiredTokenException IncompleteSignatureException InvalidSignatureException
MissingAuthenticationTokenException SerializationException ThrottlingException UnknownOperationException
UnrecognizedClientException ServerException InvalidParameterException ValidationException""".split()


# --- The model check -------------------------------------------------------------------------------------------------

answered = {}
mismatches = []


def check_against_model(operation_model, response_dict, **_):
    """Called by botocore with each raw answer before it reads it: botocore itself overlooks unknown members."""
    name = operation_model.name
    answered[name] = answered.get(name, 0) + 1
    problems = []
    headers = {key.lower(): value for key, value in response_dict["headers"].items()}
    if not headers.get("x-amzn-requestid"):
        problems.append("no x-amzn-RequestId")
    json_protocol = operation_model.service_model.resolved_protocol == "json"
    if response_dict["status_code"] >= 300:
        if json_protocol:
            problems += error_problems(operation_model, response_dict, headers)
    elif json_protocol:
        if headers.get("content-type") != "application/x-amz-json-1.1":
            problems.append(f"content-type {headers.get('content-type')}")
        problems += json_problems(json.loads(response_dict["body"]), operation_model.output_shape, "$")
    else:
        root = ElementTree.fromstring(response_dict["body"])
        problems += xml_problems(root, operation_model)
    mismatches.extend(f"{name}: {problem}" for problem in problems)


def error_problems(operation_model, response_dict, headers):
    body = json.loads(response_dict["body"])
    code = body.get("__type")
    declared = {shape.name: shape for shape in operation_model.error_shapes}
    if code not in declared and code not in COMMON_ERRORS:
        yield f"error {code} is not declared"
    if headers.get("x-amzn-errortype") != code:
        yield f"x-amzn-ErrorType {headers.get('x-amzn-errortype')} beside __type {code}"
    if not body.get("message"):
        yield f"{code} without message"
    if code in declared:
        members = {key: value for key, value in body.items() if key != "__type"}
        yield from json_problems(members, declared[code], f"{code}")


def json_problems(value, shape, path):
    if shape is None:
        if value != {}:
            yield f"{path}: {value!r} where the model has no output"
        return
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is not an object"
            return
        for key, member in value.items():
            if key not in shape.members:
                yield f"{path}.{key}: unknown member"
            elif member is None:
                yield f"{path}.{key}: null instead of absent"
            else:
                yield from json_problems(member, shape.members[key], f"{path}.{key}")
        yield from (f"{path}.{key}: required, absent" for key in shape.required_members if key not in value)
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{path}: {value!r} is not a list"
            return
        for number, item in enumerate(value):
            yield from json_problems(item, shape.member, f"{path}[{number}]")
    elif kind == "map":
        for key, item in value.items():
            yield from json_problems(key, shape.key, f"{path} key")
            yield from json_problems(item, shape.value, f"{path}.{key}")
    elif kind == "string":
        if not isinstance(value, str):
            yield f"{path}: {value!r} is not a string"
        elif shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is none of {shape.enum}"
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{path}: {value!r} is not a boolean"
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"{path}: {value!r} is not an integer"
    elif kind in ("timestamp", "double", "float"):
        # Go's SDK, and so Terraform, fails on a timestamp that is not a number.
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{path}: {value!r} is not a number"
    elif kind == "blob":
        base64.b64decode(value, validate=True)


def xml_problems(root, operation_model):
    tag = lambda element: element.tag.split("}")[-1]
    if tag(root) != f"{operation_model.name}Response":
        yield f"root element {tag(root)}"
    children = {tag(child): child for child in root}
    if "ResponseMetadata" not in children:
        yield "no ResponseMetadata"
    result = children.get(f"{operation_model.name}Result")
    if result is None:
        yield "no result element"
        return
    yield from xml_structure_problems(result, operation_model.output_shape, "$", tag)


def xml_structure_problems(element, shape, path, tag):
    for child in element:
        name = tag(child)
        if name not in shape.members:
            yield f"{path}.{name}: unknown element"
        elif shape.members[name].type_name == "structure":
            yield from xml_structure_problems(child, shape.members[name], f"{path}.{name}", tag)
        elif shape.members[name].type_name == "timestamp":
            datetime.strptime(child.text, "%Y-%m-%dT%H:%M:%S%z" if "." not in child.text else "%Y-%m-%dT%H:%M:%S.%f%z")


# --- Clients and helpers ---------------------------------------------------------------------------------------------


def client(service, **settings):
    made = boto3.client(service, config=Config(retries={"total_max_attempts": 1}), **settings)
    made.meta.events.register(f"before-parse.{made.meta.service_model.service_id.hyphenize()}", check_against_model)
    return made


ecr = client("ecr")
sts = client("sts")


def check(name):
    def decorate(body):
        started = time.time()
        seen = len(mismatches)
        try:
            body()
            problems = mismatches[seen:]
            ok, message = not problems, "\n".join(problems)
        except Exception as error:
            ok, message = False, f"{type(error).__name__}: {error}"
        outcome = {"name": name, "ok": ok, "ms": (time.time() - started) * 1000, "message": message}
        print(json.dumps(outcome), flush=True)
        return body

    return decorate


def same(actual, expected, what="value"):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


@contextmanager
def refused(code, message=None):
    """The block must be refused with exactly this error, as the exception class that the client generated for it."""
    try:
        yield
    except ClientError as error:
        same(error.response["Error"]["Code"], code, "error code")
        same(error.response["ResponseMetadata"]["HTTPStatusCode"], 400, "status")
        if message is not None:
            same(error.response["Error"]["Message"], message, "message")
        modelled = getattr(ecr.exceptions, code, None) if code in dir(ecr.exceptions) else None
        if modelled and not isinstance(error, modelled):
            raise AssertionError(f"{error!r} is not a {modelled}")
        return
    raise AssertionError(f"not refused with {code}")


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def upload(repository, data, part_size=5 * MIB):
    opened = ecr.initiate_layer_upload(repositoryName=repository)
    for first in range(0, len(data), part_size):
        part = data[first : first + part_size]
        received = ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=opened["uploadId"],
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
        same(received["lastByteReceived"], first + len(part) - 1, "lastByteReceived")
    done = ecr.complete_layer_upload(
        repositoryName=repository, uploadId=opened["uploadId"], layerDigests=[digest(data)]
    )
    same(done["layerDigest"], digest(data), "layerDigest")
    return done["layerDigest"]


def manifest_of(config, layer, **more):
    def descriptor(media_type, data):
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, config),
        "layers": [descriptor(OCI_LAYER, layer)],
        **more,
    }
    # Odd spacing on purpose: the bytes are the identity, so a server that writes the JSON anew is found out.
    return json.dumps(document, indent=3)


def config_of(seed):
    return json.dumps({"architecture": "amd64", "os": "linux", "seed": seed}).encode()


def put_small_image(repository, seed, **request):
    """An image made wholly through the API."""
    config, layer = config_of(seed), f"layer of {seed}".encode()
    for data in (config, layer):
        checked = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest(data)])
        if checked["layers"][0]["layerAvailability"] != "AVAILABLE":
            upload(repository, data)
    manifest = manifest_of(config, layer, **request.pop("manifest", {}))
    image = ecr.put_image(repositoryName=repository, imageManifest=manifest, **request)["image"]
    same(image["imageManifest"], manifest, "manifest")
    return image["imageId"]["imageDigest"]


def http(method, path, token, body=None, **headers):
    headers = {"Authorization": f"Basic {token}", **{key.replace("_", "-"): value for key, value in headers.items()}}
    request = urllib.request.Request(ENDPOINT + path if path.startswith("/") else path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.status, dict(response.headers), response.read()


def registry_token():
    return ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]


def missing_repository(name):
    return f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"


# --- STS -------------------------------------------------------------------------------------------------------------


@check("sts GetCallerIdentity")
def _():
    identity = sts.get_caller_identity()
    same(identity["Account"], ACCOUNT, "Account")
    same(identity["Arn"], f"arn:aws:iam::{ACCOUNT}:root", "Arn")
    same(identity["UserId"], ACCOUNT, "UserId")


@check("sts GetSessionToken: the temporary keys work for ecr and sts")
def _():
    given = sts.get_session_token(DurationSeconds=3600)["Credentials"]
    lifetime = given["Expiration"] - datetime.now(timezone.utc)
    if not timedelta(minutes=59) < lifetime < timedelta(minutes=61):
        raise AssertionError(f"Expiration in {lifetime}")
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    same(client("sts", **keys).get_caller_identity()["Account"], ACCOUNT, "Account")
    client("ecr", **keys).describe_repositories()
    with refused("UnrecognizedClientException"):
        client("ecr", **{**keys, "aws_session_token": "wrong"}).describe_repositories()


@check("an unknown key, a wrong secret")
def _():
    keys = {"aws_access_key_id": "AKIAUNKNOWN0000000000", "aws_secret_access_key": "x"}
    with refused("UnrecognizedClientException", "The security token included in the request is invalid."):
        client("ecr", **keys).describe_repositories()
    with refused("InvalidSignatureException"):
        client("ecr", aws_secret_access_key="wrong", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"]).describe_repositories()


# --- Repositories ----------------------------------------------------------------------------------------------------

REPOSITORY = "boto3/app"
IMMUTABLE = "boto3/immutable"


@check("CreateRepository: defaults")
def _():
    made = ecr.create_repository(repositoryName=REPOSITORY)["repository"]
    host = ENDPOINT.split("//")[1]
    same(made["repositoryArn"], f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{REPOSITORY}", "repositoryArn")
    same(made["registryId"], ACCOUNT, "registryId")
    same(made["repositoryUri"], f"{host}/{REPOSITORY}", "repositoryUri")
    same(made["imageTagMutability"], "MUTABLE", "imageTagMutability")
    same(made["imageScanningConfiguration"], {"scanOnPush": False}, "imageScanningConfiguration")
    same(made["encryptionConfiguration"], {"encryptionType": "AES256"}, "encryptionConfiguration")
    if abs(datetime.now(timezone.utc) - made["createdAt"]) > timedelta(minutes=1):
        raise AssertionError(f"createdAt {made['createdAt']}")


@check("CreateRepository: every setting")
def _():
    filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    made = ecr.create_repository(
        repositoryName="boto3/settings",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "AES256"},
        tags=[{"Key": "team", "Value": "registry"}],
    )["repository"]
    same(made["imageTagMutability"], "IMMUTABLE_WITH_EXCLUSION", "imageTagMutability")
    same(made["imageTagMutabilityExclusionFilters"], filters, "imageTagMutabilityExclusionFilters")
    same(made["imageScanningConfiguration"], {"scanOnPush": True}, "imageScanningConfiguration")
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    same(tags, [{"Key": "team", "Value": "registry"}], "tags")
    ecr.create_repository(repositoryName=IMMUTABLE, imageTagMutability="IMMUTABLE")


@check("CreateRepository: refusals")
def _():
    message = f"The repository with name '{REPOSITORY}' already exists in the registry with id '{ACCOUNT}'"
    with refused("RepositoryAlreadyExistsException", message):
        ecr.create_repository(repositoryName=REPOSITORY)
    with refused("InvalidParameterException"):
        ecr.create_repository(repositoryName="Upper/Case")
    with refused("InvalidParameterException"):
        ecr.create_repository(repositoryName="boto3/x", imageTagMutability="MUTABLE_WITH_EXCLUSION")
    with refused("InvalidParameterException"):
        ecr.create_repository(repositoryName="boto3/x", imageTagMutability="SOMETIMES")
    with refused("TooManyTagsException"):
        tags = [{"Key": f"key{number}", "Value": ""} for number in range(51)]
        ecr.create_repository(repositoryName="boto3/x", tags=tags)


@check("DescribeRepositories: by name, paginator, refusals")
def _():
    for number in range(7):
        ecr.create_repository(repositoryName=f"boto3/page{number}")
    named = ecr.describe_repositories(repositoryNames=[REPOSITORY, IMMUTABLE])["repositories"]
    same({repository["repositoryName"] for repository in named}, {REPOSITORY, IMMUTABLE}, "names")
    pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3}))
    names = [repository["repositoryName"] for page in pages for repository in page["repositories"]]
    same(len(names), len(set(names)), "names without repetition")
    if len(pages) < 3 or not {f"boto3/page{number}" for number in range(7)} <= set(names):
        raise AssertionError(f"{len(pages)} pages with {names}")
    with refused("RepositoryNotFoundException", missing_repository("boto3/none")):
        ecr.describe_repositories(repositoryNames=[REPOSITORY, "boto3/none"])
    with refused("InvalidParameterException"):
        ecr.describe_repositories(repositoryNames=[REPOSITORY], maxResults=5)
    with refused("InvalidParameterException"):
        ecr.describe_repositories(nextToken="not a token")


@check("GetAuthorizationToken")
def _():
    for request in ({}, {"registryIds": [ACCOUNT]}):
        (given,) = ecr.get_authorization_token(**request)["authorizationData"]
        same(given["proxyEndpoint"], ENDPOINT, "proxyEndpoint")
        lifetime = given["expiresAt"] - datetime.now(timezone.utc)
        if not timedelta(hours=11.9) < lifetime < timedelta(hours=12.1):
            raise AssertionError(f"expires in {lifetime}")
        user, password = base64.b64decode(given["authorizationToken"]).decode().split(":", 1)
        same(user, "AWS", "user")
        if not password or any(letter.isspace() for letter in password):
            raise AssertionError("a password with white space")
        same(http("GET", "/v2/", given["authorizationToken"])[0], 200, "status of /v2/")
    with refused(
        "InvalidParameterException",
        "Invalid parameter at 'registryIds' failed to satisfy constraint: 'Member must satisfy constraint: "
        "[Member must satisfy regular expression pattern: [0-9]{12}]'",
    ):
        ecr.get_authorization_token(registryIds=["12"])


# --- Layers ----------------------------------------------------------------------------------------------------------

LAYER = os.urandom(12 * MIB)
CONFIG = config_of("app")
MANIFEST = manifest_of(CONFIG, LAYER)


@check("InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload: 12 MiB in three parts")
def _():
    upload(REPOSITORY, LAYER)
    upload(REPOSITORY, CONFIG)


@check("UploadLayerPart: a gap is refused with the byte to go on from")
def _():
    upload_id = ecr.initiate_layer_upload(repositoryName=REPOSITORY)["uploadId"]
    part = {"repositoryName": REPOSITORY, "uploadId": upload_id}
    ecr.upload_layer_part(**part, partFirstByte=0, partLastByte=9, layerPartBlob=b"0123456789")
    try:
        ecr.upload_layer_part(**part, partFirstByte=20, partLastByte=20, layerPartBlob=b"x")
        raise AssertionError("the gap was accepted")
    except ecr.exceptions.InvalidLayerPartException as error:
        same(error.response["Error"]["Message"], "First byte of the layer part is 20 instead of 10", "message")
        same(error.response["lastValidByteReceived"], 9, "lastValidByteReceived")
        same(error.response["uploadId"], upload_id, "uploadId")
    with refused("InvalidLayerPartException"):
        ecr.upload_layer_part(**part, partFirstByte=10, partLastByte=99, layerPartBlob=b"shorter")


@check("CompleteLayerUpload: refusals")
def _():
    def opened(*parts):
        upload_id = ecr.initiate_layer_upload(repositoryName=REPOSITORY)["uploadId"]
        first = 0
        for part in parts:
            last = first + len(part) - 1
            ecr.upload_layer_part(
                repositoryName=REPOSITORY, uploadId=upload_id, partFirstByte=first, partLastByte=last, layerPartBlob=part
            )
            first = last + 1
        return {"repositoryName": REPOSITORY, "uploadId": upload_id}

    with refused("InvalidLayerException", "None of the provided layer digests match the calculated layer digest"):
        ecr.complete_layer_upload(**opened(b"one"), layerDigests=[digest(b"other")])
    with refused("LayerPartTooSmallException", "All layer parts except the last part should be at least 5MB"):
        ecr.complete_layer_upload(**opened(b"one", b"two"), layerDigests=[digest(b"onetwo")])
    with refused("EmptyUploadException"):
        ecr.complete_layer_upload(**opened(), layerDigests=[digest(b"")])
    with refused("LayerAlreadyExistsException"):
        ecr.complete_layer_upload(**opened(CONFIG), layerDigests=[digest(CONFIG)])
    with refused("UploadNotFoundException"):
        ecr.complete_layer_upload(
            repositoryName=REPOSITORY, uploadId="00000000-0000-4000-8000-000000000000", layerDigests=[digest(b"x")]
        )
    with refused("RepositoryNotFoundException", missing_repository("boto3/none")):
        ecr.initiate_layer_upload(repositoryName="boto3/none")
    given = opened(b"any of several")
    done = ecr.complete_layer_upload(**given, layerDigests=[digest(b"no"), digest(b"any of several")])
    same(done["layerDigest"], digest(b"any of several"), "layerDigest")


@check("BatchCheckLayerAvailability")
def _():
    digests = [digest(LAYER), digest(b"absent"), "nonsense", ""]
    answer = ecr.batch_check_layer_availability(repositoryName=REPOSITORY, layerDigests=digests)
    found = {layer["layerDigest"]: (layer["layerAvailability"], layer.get("layerSize")) for layer in answer["layers"]}
    same(found, {digest(LAYER): ("AVAILABLE", len(LAYER)), digest(b"absent"): ("UNAVAILABLE", None)}, "layers")
    codes = sorted(failure["failureCode"] for failure in answer["failures"])
    same(codes, ["InvalidLayerDigest", "MissingLayerDigest"], "failures")


@check("GetDownloadUrlForLayer: refusals before an image holds the layer")
def _():
    with refused("LayerInaccessibleException"):
        ecr.get_download_url_for_layer(repositoryName=REPOSITORY, layerDigest=digest(LAYER))
    absent = digest(b"absent")
    message = (
        f"The layer with digest '{absent}' does not exist within the repository with name '{REPOSITORY}' "
        f"in the registry with id '{ACCOUNT}'"
    )
    with refused("LayersNotFoundException", message):
        ecr.get_download_url_for_layer(repositoryName=REPOSITORY, layerDigest=absent)


# --- Images ----------------------------------------------------------------------------------------------------------


@check("PutImage")
def _():
    image = ecr.put_image(repositoryName=REPOSITORY, imageManifest=MANIFEST, imageTag="v1")["image"]
    same(image["imageId"], {"imageDigest": digest(MANIFEST.encode()), "imageTag": "v1"}, "imageId")
    same(image["imageManifest"], MANIFEST, "imageManifest")
    same(image["imageManifestMediaType"], OCI_MANIFEST, "imageManifestMediaType")


@check("PutImage: refusals")
def _():
    one, other = digest(MANIFEST.encode()), digest(b"other")
    message = (
        f"Image with digest '{one}' and tag 'v1' already exists in the repository with name '{REPOSITORY}' "
        f"in registry with id '{ACCOUNT}'"
    )
    with refused("ImageAlreadyExistsException", message):
        ecr.put_image(repositoryName=REPOSITORY, imageManifest=MANIFEST, imageTag="v1")
    message = (
        f"The image with digest '{other}' in repository '{REPOSITORY}' and registry ID '{ACCOUNT}' "
        "does not match the image digest that Amazon ECR has calculated."
    )
    with refused("ImageDigestDoesNotMatchException", message):
        ecr.put_image(repositoryName=REPOSITORY, imageManifest=MANIFEST, imageTag="v2", imageDigest=other)
    lost = b"a layer that nobody pushed"
    message = (
        f"Layers with digests '[{digest(lost)}]' required for pushing image into repository with name "
        f"'{REPOSITORY}' in the registry with id '{ACCOUNT}' do not exist"
    )
    with refused("LayersNotFoundException", message):
        ecr.put_image(repositoryName=REPOSITORY, imageManifest=manifest_of(CONFIG, lost), imageTag="v2")
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    child = {"mediaType": OCI_MANIFEST, "digest": digest(b"no child"), "size": 8}
    with refused("ReferencedImagesNotFoundException"):
        ecr.put_image(repositoryName=REPOSITORY, imageManifest=json.dumps({**index, "manifests": [child]}), imageTag="v2")
    with refused("InvalidParameterException"):
        ecr.put_image(repositoryName=REPOSITORY, imageManifest="not JSON", imageTag="v2")
    with refused("RepositoryNotFoundException", missing_repository("boto3/none")):
        ecr.put_image(repositoryName="boto3/none", imageManifest=MANIFEST)
    put_small_image(IMMUTABLE, "one", imageTag="v1")
    message = (
        f"The image tag 'v1' already exists in the '{IMMUTABLE}' repository and cannot be overwritten "
        "because the tag is immutable."
    )
    with refused("ImageTagAlreadyExistsException", message):
        put_small_image(IMMUTABLE, "two", imageTag="v1")


@check("the image pushed through the API is pulled over HTTP, byte for byte")
def _():
    token = registry_token()
    status, headers, body = http("GET", f"/v2/{REPOSITORY}/manifests/v1", token, Accept=OCI_MANIFEST)
    same((status, headers["Content-Type"], body.decode()), (200, OCI_MANIFEST, MANIFEST), "manifest")
    same(http("GET", f"/v2/{REPOSITORY}/blobs/{digest(LAYER)}", token)[2] == LAYER, True, "layer bytes are the same")
    same(http("GET", f"/v2/{REPOSITORY}/blobs/{digest(CONFIG)}", token)[2], CONFIG, "config")


@check("GetDownloadUrlForLayer: the URL needs no other authority")
def _():
    given = ecr.get_download_url_for_layer(repositoryName=REPOSITORY, layerDigest=digest(LAYER))
    same(given["layerDigest"], digest(LAYER), "layerDigest")
    with urllib.request.urlopen(given["downloadUrl"], timeout=60) as response:
        same(response.read() == LAYER, True, "layer bytes are the same")
    ranged = urllib.request.Request(given["downloadUrl"], headers={"Range": "bytes=100-199"})
    with urllib.request.urlopen(ranged, timeout=60) as response:
        same((response.status, response.read()), (206, LAYER[100:200]), "range")
    forged = given["downloadUrl"].replace(digest(LAYER)[7:], digest(CONFIG)[7:])
    if forged != given["downloadUrl"]:
        try:
            urllib.request.urlopen(forged, timeout=60)
            raise AssertionError("a forged URL was answered")
        except urllib.error.HTTPError as error:
            same(error.code in (400, 401, 403), True, f"status {error.code} of a forged URL")


@check("an image pushed over HTTP is seen by the API, byte for byte")
def _():
    token = registry_token()
    config, layer = config_of("http"), b"layer over HTTP"
    for data in (config, layer):
        _, headers, _ = http("POST", f"/v2/{REPOSITORY}/blobs/uploads/", token, b"")
        location = headers["Location"]
        url = location if location.startswith("http") else ENDPOINT + location
        url += ("&" if "?" in url else "?") + "digest=" + digest(data)
        same(http("PUT", url, token, data, Content_Type="application/octet-stream")[0], 201, "status")
    manifest = manifest_of(config, layer)
    path = f"/v2/{REPOSITORY}/manifests/over-http"
    same(http("PUT", path, token, manifest.encode(), Content_Type=OCI_MANIFEST)[0], 201, "status")
    answer = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": "over-http"}])
    same(answer["failures"], [], "failures")
    same(answer["images"][0]["imageManifest"], manifest, "manifest")
    same(answer["images"][0]["imageId"]["imageDigest"], digest(manifest.encode()), "digest")


@check("BatchGetImage: by tag, by digest, failures")
def _():
    one = digest(MANIFEST.encode())
    wanted = [
        {"imageTag": "v1"},
        {"imageDigest": one},
        {"imageTag": "none"},
        {"imageDigest": "nonsense"},
        {},
        {"imageDigest": digest(b"absent")},
    ]
    answer = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=wanted, acceptedMediaTypes=[OCI_MANIFEST])
    ids = [image["imageId"] for image in answer["images"]]
    if {"imageDigest": one, "imageTag": "v1"} not in ids:
        raise AssertionError(f"imageIds {ids}")
    codes = sorted((failure["failureCode"], failure["failureReason"]) for failure in answer["failures"])
    expected = [
        ("ImageNotFound", "Requested image not found"),
        ("ImageNotFound", "Requested image not found"),
        (
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
        ("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"),
    ]
    same(codes, expected, "failures")


@check("DescribeImages: facts, filters, paginator, refusals")
def _():
    (detail,) = ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": "v1"}])["imageDetails"]
    same(detail["imageDigest"], digest(MANIFEST.encode()), "imageDigest")
    same(detail["imageTags"], ["v1"], "imageTags")
    same(detail["imageManifestMediaType"], OCI_MANIFEST, "imageManifestMediaType")
    same(detail["artifactMediaType"], OCI_CONFIG, "artifactMediaType")
    same(detail["imageStatus"], "ACTIVE", "imageStatus")
    if not len(LAYER) <= detail["imageSizeInBytes"] <= len(LAYER) + len(CONFIG) + len(MANIFEST):
        raise AssertionError(f"imageSizeInBytes {detail['imageSizeInBytes']}")
    put_small_image(REPOSITORY, "untagged")
    for number in range(5):
        put_small_image(REPOSITORY, f"page {number}", imageTag=f"page{number}")
    untagged = ecr.describe_images(repositoryName=REPOSITORY, filter={"tagStatus": "UNTAGGED"})["imageDetails"]
    same([image.get("imageTags") for image in untagged], [None], "untagged images")
    pages = list(ecr.get_paginator("describe_images").paginate(repositoryName=REPOSITORY, PaginationConfig={"PageSize": 3}))
    digests = [image["imageDigest"] for page in pages for image in page["imageDetails"]]
    same((len(digests), len(set(digests))), (8, 8), "images over pages")
    absent = digest(b"absent")
    message = (
        f"The image with imageId {{imageDigest:'{absent}', imageTag:'null'}} does not exist within the repository "
        f"with name '{REPOSITORY}' in the registry with id '{ACCOUNT}'"
    )
    with refused("ImageNotFoundException", message):
        ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageDigest": absent}])


@check("ListImages: one element a tag, filters, paginator")
def _():
    ecr.put_image(repositoryName=REPOSITORY, imageManifest=MANIFEST, imageTag="also-v1")
    pages = list(ecr.get_paginator("list_images").paginate(repositoryName=REPOSITORY, PaginationConfig={"PageSize": 4}))
    ids = [image for page in pages for image in page["imageIds"]]
    tags = sorted(image["imageTag"] for image in ids if "imageTag" in image)
    same(tags, ["also-v1", "over-http", "page0", "page1", "page2", "page3", "page4", "v1"], "tags")
    same(len([image for image in ids if "imageTag" not in image]), 1, "untagged")
    tagged = ecr.list_images(repositoryName=REPOSITORY, filter={"tagStatus": "TAGGED"})["imageIds"]
    same(len(tagged), 8, "tagged")
    with refused("RepositoryNotFoundException", missing_repository("boto3/none")):
        ecr.list_images(repositoryName="boto3/none")


@check("ListImageReferrers")
def _():
    subject = digest(MANIFEST.encode())
    descriptor = {"mediaType": OCI_MANIFEST, "digest": subject, "size": len(MANIFEST)}
    more = {"subject": descriptor, "artifactType": "application/vnd.example.sbom", "annotations": {"made-by": "boto3"}}
    referrer = put_small_image(REPOSITORY, "referrer", manifest=more)
    (found,) = ecr.list_image_referrers(repositoryName=REPOSITORY, subjectId={"imageDigest": subject})["referrers"]
    same(found["digest"], referrer, "digest")
    same(found["artifactType"], "application/vnd.example.sbom", "artifactType")
    same(found["annotations"], {"made-by": "boto3"}, "annotations")
    none = ecr.list_image_referrers(
        repositoryName=REPOSITORY, subjectId={"imageDigest": subject}, filter={"artifactTypes": ["application/other"]}
    )
    same(none["referrers"], [], "referrers")
    (detail,) = ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageDigest": referrer}])["imageDetails"]
    same(detail["subjectManifestDigest"], subject, "subjectManifestDigest")


@check("UpdateImageStorageClass: out of every list and back, and refusals")
def _():
    image = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "page0"}}
    answer = ecr.update_image_storage_class(**image, targetStorageClass="ARCHIVE")
    same((answer["imageId"]["imageTag"], answer["imageStatus"]), ("page0", "ARCHIVED"), "answer")
    (detail,) = ecr.describe_images(repositoryName=REPOSITORY, filter={"imageStatus": "ARCHIVED"})["imageDetails"]
    same((detail["imageTags"], detail["imageStatus"]), (["page0"], "ARCHIVED"), "archived image")
    if not isinstance(detail["lastArchivedAt"], datetime):
        raise AssertionError(f"lastArchivedAt {detail['lastArchivedAt']!r}")
    active = ecr.list_images(repositoryName=REPOSITORY)["imageIds"]
    same([image for image in active if image.get("imageTag") == "page0"], [], "active images")
    (failure,) = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": "page0"}])["failures"]
    same(failure["failureCode"], "ImageNotFound", "failureCode")
    answer = ecr.update_image_storage_class(**image, targetStorageClass="STANDARD")
    same(answer["imageStatus"], "ACTIVATING", "imageStatus")
    (detail,) = ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": "page0"}])["imageDetails"]
    same(detail["imageStatus"], "ACTIVE", "imageStatus")
    absent = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "absent"}}
    with refused("ImageNotFoundException"):
        ecr.update_image_storage_class(**absent, targetStorageClass="ARCHIVE")


@check("RegisterPullTimeUpdateExclusion, ListPullTimeUpdateExclusions, DeregisterPullTimeUpdateExclusion")
def _():
    arn = f"arn:aws:iam::{ACCOUNT}:role/boto3-scanner"
    same(ecr.register_pull_time_update_exclusion(principalArn=arn)["principalArn"], arn, "principalArn")
    with refused("ExclusionAlreadyExistsException"):
        ecr.register_pull_time_update_exclusion(principalArn=arn)
    same(arn in ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"], True, "exclusion is listed")
    same(ecr.deregister_pull_time_update_exclusion(principalArn=arn)["principalArn"], arn, "principalArn")
    with refused("ExclusionNotFoundException"):
        ecr.deregister_pull_time_update_exclusion(principalArn=arn)


@check("BatchDeleteImage: by tag, digest and pair; a child of an index stays")
def _():
    name = "boto3/delete"
    ecr.create_repository(repositoryName=name)
    first = put_small_image(name, "first", imageTag="a")
    second = put_small_image(name, "second", imageTag="b")
    manifest = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "a"}])["images"][0]["imageManifest"]
    ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag="a2")
    child = {"mediaType": OCI_MANIFEST, "digest": second, "size": 1}
    document = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]})
    index = ecr.put_image(repositoryName=name, imageManifest=document, imageTag="index")["image"]["imageId"]["imageDigest"]

    def delete(*ids):
        answer = ecr.batch_delete_image(repositoryName=name, imageIds=list(ids))
        order = lambda image: (image["imageDigest"], image.get("imageTag", ""))
        return sorted(answer["imageIds"], key=order), [failure["failureCode"] for failure in answer["failures"]]

    same(delete({"imageDigest": second})[1], ["ImageReferencedByManifestList"], "failures")
    same(delete({"imageTag": "a2"}), ([{"imageDigest": first, "imageTag": "a2"}], []), "by tag")
    same(delete({"imageDigest": second, "imageTag": "a"})[1], ["ImageNotFound"], "a pair that does not belong together")
    same(delete({"imageDigest": first, "imageTag": "a"}), ([{"imageDigest": first, "imageTag": "a"}], []), "by pair")
    same(len(delete({"imageDigest": index}, {"imageDigest": second})[0]), 2, "index, then child")
    same(ecr.list_images(repositoryName=name)["imageIds"], [], "what is left")
    same(delete({"imageTag": "gone"})[1], ["ImageNotFound"], "failures")


@check("PutLifecyclePolicy, StartLifecyclePolicyPreview, waiter, paginator, GetLifecyclePolicy, DeleteLifecyclePolicy")
def _():
    name = "boto3/lifecycle"
    ecr.create_repository(repositoryName=name)
    digests = [put_small_image(name, f"lifecycle {number}", imageTag=f"v{number}") for number in range(5)]
    selection = {"tagStatus": "tagged", "tagPatternList": ["v*"], "countType": "imageCountMoreThan", "countNumber": 2}
    rule = {"rulePriority": 1, "description": "newest", "selection": selection, "action": {"type": "expire"}}
    text = json.dumps({"rules": [rule]})
    with refused("LifecyclePolicyNotFoundException"):
        ecr.start_lifecycle_policy_preview(repositoryName=name)
    with refused("LifecyclePolicyPreviewNotFoundException"):
        ecr.get_lifecycle_policy_preview(repositoryName=name)
    with refused("InvalidParameterException"):
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text.replace("expire", "keep"))
    same(ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)["lifecyclePolicyText"], text, "text")
    same(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"], text, "text")
    same(ecr.start_lifecycle_policy_preview(repositoryName=name)["status"], "IN_PROGRESS", "status")
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(repositoryName=name, WaiterConfig={"Delay": 1})
    paginator = ecr.get_paginator("get_lifecycle_policy_preview")
    pages = list(paginator.paginate(repositoryName=name, PaginationConfig={"PageSize": 2}))
    same([page["summary"]["expiringImageTotalCount"] for page in pages], [3, 3], "summary of each page")
    results = [result for page in pages for result in page["previewResults"]]
    same(sorted(result["imageDigest"] for result in results), sorted(digests[:3]), "digests")
    same({result["action"]["type"] for result in results}, {"EXPIRE"}, "actions")
    tagged = ecr.get_lifecycle_policy_preview(repositoryName=name, imageIds=[{"imageTag": "v1"}, {"imageTag": "v4"}])
    same([result["imageTags"] for result in tagged["previewResults"]], [["v1"]], "by image")
    same(ecr.delete_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"], text, "text")
    with refused("LifecyclePolicyNotFoundException"):
        ecr.get_lifecycle_policy(repositoryName=name)


# --- Settings --------------------------------------------------------------------------------------------------------


@check("PutImageTagMutability: four modes")
def _():
    filters = [{"filterType": "WILDCARD", "filter": "release-*"}]
    for mode in ("IMMUTABLE", "MUTABLE", "MUTABLE_WITH_EXCLUSION", "IMMUTABLE_WITH_EXCLUSION"):
        more = {"imageTagMutabilityExclusionFilters": filters} if mode.endswith("EXCLUSION") else {}
        answer = ecr.put_image_tag_mutability(repositoryName="boto3/page0", imageTagMutability=mode, **more)
        same(answer["imageTagMutability"], mode, "imageTagMutability")
        same(answer.get("imageTagMutabilityExclusionFilters"), more and filters or None, "filters")
    put_small_image("boto3/page0", "one", imageTag="release-1")
    put_small_image("boto3/page0", "two", imageTag="release-1")
    put_small_image("boto3/page0", "one", imageTag="v1")
    with refused("ImageTagAlreadyExistsException"):
        put_small_image("boto3/page0", "two", imageTag="v1")
    message = (
        "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: "
        "'ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as MUTABLE_WITH_EXCLUSION'"
    )
    with refused("InvalidParameterException", message):
        ecr.put_image_tag_mutability(repositoryName="boto3/page0", imageTagMutability="MUTABLE_WITH_EXCLUSION")


@check("PutImageScanningConfiguration")
def _():
    setting = {"scanOnPush": True}
    answer = ecr.put_image_scanning_configuration(repositoryName="boto3/page0", imageScanningConfiguration=setting)
    same(answer["imageScanningConfiguration"], setting, "imageScanningConfiguration")
    (shown,) = ecr.describe_repositories(repositoryNames=["boto3/page0"])["repositories"]
    same(shown["imageScanningConfiguration"], setting, "imageScanningConfiguration")


@check("TagResource, UntagResource, ListTagsForResource")
def _():
    (shown,) = ecr.describe_repositories(repositoryNames=["boto3/page1"])["repositories"]
    arn = shown["repositoryArn"]
    tags = lambda: {tag["Key"]: tag["Value"] for tag in ecr.list_tags_for_resource(resourceArn=arn)["tags"]}
    same(tags(), {}, "tags")
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "2"}])
    same(tags(), {"a": "2", "b": ""}, "tags")
    ecr.untag_resource(resourceArn=arn, tagKeys=["b", "never-there"])
    same(tags(), {"a": "2"}, "tags")
    with refused("InvalidParameterException", "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'"):
        ecr.list_tags_for_resource(resourceArn="arn:aws:s3:::bucket")
    with refused("TooManyTagsException"):
        ecr.tag_resource(resourceArn=arn, tags=[{"Key": f"key{number}", "Value": ""} for number in range(50)])
    with refused("RepositoryNotFoundException", missing_repository("boto3/none")):
        ecr.list_tags_for_resource(resourceArn=arn.replace("page1", "none"))


@check("SetRepositoryPolicy, GetRepositoryPolicy, DeleteRepositoryPolicy")
def _():
    name = "boto3/page2"
    statement = {"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    absent = f"Repository policy does not exist for the repository with name '{name}' in the registry with id '{ACCOUNT}'"
    with refused("RepositoryPolicyNotFoundException", absent):
        ecr.get_repository_policy(repositoryName=name)
    for answer in (
        ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(policy)),
        ecr.get_repository_policy(repositoryName=name),
        ecr.delete_repository_policy(repositoryName=name),
    ):
        same(json.loads(answer["policyText"]), policy, "policyText")
    with refused("RepositoryPolicyNotFoundException", absent):
        ecr.delete_repository_policy(repositoryName=name)
    message = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'"
    for bad in ("{", "{}", json.dumps({**policy, "Statement": [{**statement, "Effect": "Maybe"}]})):
        with refused("InvalidParameterException", message):
            ecr.set_repository_policy(repositoryName=name, policyText=bad)


@check("DescribeRegistry")
def _():
    answer = ecr.describe_registry()
    same((answer["registryId"], answer["replicationConfiguration"]), (ACCOUNT, {"rules": []}), "registry")


@check("GetAccountSetting, PutAccountSetting")
def _():
    for name, value in (("BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE"), ("REGISTRY_POLICY_SCOPE", "V2")):
        answer = ecr.get_account_setting(name=name)
        same((answer["name"], answer["value"]), (name, value), "setting")
        answer = ecr.put_account_setting(name=name, value=value)
        same((answer["name"], answer["value"]), (name, value), "setting")
    before = ecr.get_account_setting(name="BLOB_MOUNTING")["value"]
    other = "DISABLED" if before == "ENABLED" else "ENABLED"
    ecr.put_account_setting(name="BLOB_MOUNTING", value=other)
    same(ecr.get_account_setting(name="BLOB_MOUNTING")["value"], other, "value")
    ecr.put_account_setting(name="BLOB_MOUNTING", value=before)
    with refused("InvalidParameterException"):
        ecr.get_account_setting(name="NO_SUCH_SETTING")


@check("DeleteRepository: with images only by force")
def _():
    message = (
        f"The repository with name '{REPOSITORY}' in registry with id '{ACCOUNT}' cannot be deleted "
        "because it still contains images"
    )
    with refused("RepositoryNotEmptyException", message):
        ecr.delete_repository(repositoryName=REPOSITORY)
    same(ecr.delete_repository(repositoryName=REPOSITORY, force=True)["repository"]["repositoryName"], REPOSITORY, "name")
    with refused("RepositoryNotFoundException", missing_repository(REPOSITORY)):
        ecr.delete_repository(repositoryName=REPOSITORY)
    ecr.delete_repository(repositoryName="boto3/page3")


@check("an operation of the model that is not built yet is refused as unknown, not with a crash")
def _():
    for call in (ecr.describe_pull_through_cache_rules, ecr.get_signing_configuration):
        try:
            call()
        except ClientError as error:
            same(error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, True, "no fault of the server")


@check("every operation was answered, and every answer fits botocore's model")
def _():
    missing = [name for name in OPERATIONS if name not in answered]
    same(missing, [], "operations without an answer")
    if mismatches:
        raise AssertionError("\n".join(sorted(set(mismatches))))
    print(json.dumps({"note": f"{sum(answered.values())} answers of {len(answered)} operations compared"}), flush=True)

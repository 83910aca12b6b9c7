"""Who may read and write a bucket: keys by environment, file and web identity; what is said where they are wrong.

rclone's server checks signatures; moto gives temporary keys for the token of a web identity, as STS does.
"""

import logging
from functools import partial

import pytest

import servers
from ostinato import storage
from ostinato.batches import open_source
from ostinato.errors import DataError

KEY, SECRET = "AKIDOSTINATO", "a-secret-that-nobody-may-see"
URI = "s3://warehouse/a.csv"
VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL",
    "AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3",
)  # fmt: skip


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    (folder / "warehouse").mkdir()
    (folder / "warehouse" / "a.csv").write_text("x,y\n1,a\n")
    with servers.s3_server_with_keys(folder, KEY, SECRET) as address:
        yield address


@pytest.fixture(autouse=True)
def environment(monkeypatch, endpoint, tmp_path):
    """No keys but those that a test gives."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)


@pytest.fixture
def keys(monkeypatch):
    def give(key, secret):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)

    return give


def refused(uri=URI):
    """What is said; the same by each way to read, and without a secret."""
    said = set()
    write = partial(storage.write_bytes_atomic, content=b"")
    for access in (storage.read_bytes, storage.find, storage.size, storage.exists, storage.remove, write):
        with pytest.raises(DataError) as error:
            access(uri)
        said.add(str(error.value))
    (text,) = said
    assert SECRET not in text
    return text


def test_keys_of_the_environment_open_a_bucket(keys):
    keys(KEY, SECRET)
    assert [batch.num_rows for batch in open_source(URI).batches()] == [1]
    storage.write_bytes_atomic("s3://warehouse/new/b.bin", b"whole")
    assert storage.read_bytes("s3://warehouse/new/b.bin") == b"whole"
    storage.remove("s3://warehouse/new")
    assert storage.list_files("s3://warehouse") == [URI]


def test_an_endpoint_without_a_scheme_is_http_as_kserve_writes_it(keys, monkeypatch, endpoint):
    keys(KEY, SECRET)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_S3_ENDPOINT", endpoint.removeprefix("http://"))
    assert storage.size("minio://warehouse/a.csv") == 8


def test_keys_of_a_mounted_file_open_a_bucket(tmp_path, monkeypatch):
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = nobody\naws_secret_access_key = none\n"
        f"[store]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "store")
    assert storage.size(URI) == 8


def test_new_keys_in_the_environment_are_taken_up(keys):
    keys(KEY, "wrong")
    refused()
    keys(KEY, SECRET)
    assert storage.size(URI) == 8


def test_a_web_identity_opens_a_bucket(s3_endpoint, s3, tmp_path, monkeypatch):
    s3.pipe_file("warehouse/a.csv", b"x\n1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/training")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_endpoint)
    assert storage.read_bytes(URI) == b"x\n1\n"


def test_a_token_that_is_not_there_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/training")
    text = refused()
    assert str(tmp_path / "token") in text
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in text
    assert "Traceback" not in caplog.text


def test_a_token_service_that_refuses_is_told_from_the_store(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("a.b.c")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/training")
    body = "<ErrorResponse><Error><Code>{}</Code></Error></ErrorResponse>"
    with servers.refusing_server("InvalidIdentityToken", body) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", address)
        text = refused()
    assert "InvalidIdentityToken" in text
    assert "AWS_ROLE_ARN" in text


def test_no_credentials_are_told_with_all_ways_to_give_them():
    text = refused()
    assert "no credentials were found" in text
    assert "AWS_ACCESS_KEY_ID" in text
    assert "web identity" in text
    assert "FSSPEC_S3_ANON" in text


def test_a_profile_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    text = refused()
    assert "nobody" in text
    assert "AWS_SHARED_CREDENTIALS_FILE" in text


def test_an_access_key_that_the_store_does_not_know_is_told_from_a_wrong_secret(keys):
    keys("AKIDNOBODY", SECRET)
    assert "does not know the access key" in refused()
    keys(KEY, SECRET + "!")
    assert "AWS_SECRET_ACCESS_KEY" in refused()


def test_a_bucket_that_does_not_exist_is_told_from_a_file_that_does_not(keys):
    keys(KEY, SECRET)
    for read in (storage.read_bytes, storage.find, storage.size):
        with pytest.raises(DataError, match="no such bucket"):
            read("s3://warehose/a.csv")
        with pytest.raises(DataError, match="no such file"):
            read("s3://warehouse/b.csv")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDenied", "policies"),
        ("RequestTimeTooSkewed", "NTP"),
        ("ExpiredToken", "AWS_SESSION_TOKEN"),
        ("PermanentRedirect", "AWS_DEFAULT_REGION"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_what_a_store_refuses_is_told_with_what_to_do(keys, monkeypatch, code, words):
    keys(KEY, SECRET)
    with servers.refusing_server(code) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        text = refused()
    assert words in text
    assert URI in text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://no-such-host.invalid:9000", "can't be resolved"),
        ("http://127.0.0.1:9", "can't be reached"),
    ],
)
def test_a_server_that_is_not_there_is_named_by_its_address(keys, monkeypatch, address, words):
    keys(KEY, SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    text = refused()
    assert words in text
    assert address in text
    assert "AWS_ENDPOINT_URL_S3" in text


def test_a_password_in_the_address_of_a_server_is_not_told(keys, monkeypatch):
    keys(KEY, SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://user:pa55word@127.0.0.1:9")
    assert "pa55word" not in refused()


def test_a_server_without_tls_is_told(keys, monkeypatch, endpoint):
    keys(KEY, SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.replace("http", "https"))
    assert "AWS_CA_BUNDLE" in refused()


def test_logs_hold_no_secret(keys, caplog):
    caplog.set_level(logging.DEBUG, "ostinato")
    keys(KEY, SECRET + "!")
    refused()
    assert SECRET not in caplog.text


def test_a_signed_address_is_shown_without_its_signature(tmp_path):
    with servers.web_server(tmp_path) as address, pytest.raises(DataError) as error:
        storage.read_bytes(f"{address}/a.csv?X-Amz-Signature=abc123")
    assert "abc123" not in str(error.value)

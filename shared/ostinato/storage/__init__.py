"""Files by URI: local paths, s3://, minio:// as KFP writes it, http(s)://, and whatever else fsspec knows.

What a user can mend (no such file, no permission, no network, wrong keys) is a DataError; trouble with local writing
stays an OSError. docs/storage.md tells what is tried again, and what is whole or not there.
"""

from ostinato.storage.address import is_http, is_local, is_s3, local_path
from ostinato.storage.failures import explained
from ostinato.storage.listing import (
    StoredFile,
    check_unchanged,
    digest,
    digest_of,
    exists,
    expand,
    find,
    list_files,
    size,
)
from ostinato.storage.reading import RemoteFile, download, open_file, open_seekable, read_bytes, read_range
from ostinato.storage.systems import filesystem
from ostinato.storage.whole import sync_folder
from ostinato.storage.writing import remove, swap_bytes, upload, write_bytes_atomic

__all__ = [
    "RemoteFile",
    "StoredFile",
    "check_unchanged",
    "digest",
    "digest_of",
    "download",
    "exists",
    "expand",
    "explained",
    "filesystem",
    "find",
    "is_http",
    "is_local",
    "is_s3",
    "list_files",
    "local_path",
    "open_file",
    "open_seekable",
    "read_bytes",
    "read_range",
    "remove",
    "size",
    "swap_bytes",
    "sync_folder",
    "upload",
    "write_bytes_atomic",
]

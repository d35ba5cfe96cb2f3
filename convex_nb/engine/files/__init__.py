"""The bytes of files: kept in chunks beside the documents that tell of them."""

"""Files: what `ctx.storage` offers, and the documents that tell of them."""

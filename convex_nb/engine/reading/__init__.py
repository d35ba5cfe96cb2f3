"""What a handler reads with: `ctx.db`, queries, filters, pages and their plans."""

"""Running user code against the engine: definitions, registry, contexts, runner, query cache, reactor."""

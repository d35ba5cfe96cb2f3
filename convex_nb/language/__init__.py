"""The words that every other layer speaks: values and their order, ids, validators, schemas, errors, limits."""

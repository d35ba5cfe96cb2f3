"""The database: Arrow tables, ordered indexes, serializable transactions, exact subscriptions."""

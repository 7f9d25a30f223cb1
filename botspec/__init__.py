"""The bot's specification: model, validator and channel table."""

"""Message codecs: events, commands and foreign messages to JetStream messages and back. Pure."""

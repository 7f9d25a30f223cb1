"""The option that chooses a bot, and the texts of `qiki botspec`."""

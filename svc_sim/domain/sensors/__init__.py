"""The bot's own sensors: readings from the truth, with mount, bias, noise, dropout and failure. Pure."""

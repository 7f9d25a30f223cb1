"""Identity: transponder replies, spoofing, IFF, classification."""

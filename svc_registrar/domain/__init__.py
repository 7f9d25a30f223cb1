"""What the registrar knows without any input or output: what a fact may hold, how a record lies, where each is."""

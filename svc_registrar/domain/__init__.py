"""The registrar's logic without input or output: the rules of an audit event, the record layout, the index."""

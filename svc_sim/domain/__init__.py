"""The ground truth of the world as pure functions of time: no transport, no protobuf, no clock."""

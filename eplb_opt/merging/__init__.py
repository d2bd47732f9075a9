"""What journals hold of a result, and the results of shards joined."""

"""Maps in time: searches where a replica's size is what a cost makes of its tokens."""

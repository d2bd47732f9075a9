"""From the map in use to the next one: replicas that move, ranks renamed, few moves instead of a fresh plan."""

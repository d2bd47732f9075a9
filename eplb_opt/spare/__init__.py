"""Maps with spare replicas: any one rank, or node, may fail and every expert still has a replica."""

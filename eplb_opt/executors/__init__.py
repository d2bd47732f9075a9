"""Where tasks run: in processes of this machine, or on those of a cluster; one module each."""

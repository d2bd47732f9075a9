"""Pages: results as one HTML file each, with figures, for people who look rather than read."""

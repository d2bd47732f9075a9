"""Long jobs that survive anything: what is finished is kept in a file, a job is split over machines, and joined."""

"""What programs can ask: A1111's endpoints (`sdapi`), and our own (`jobs`, `gallery`, `people`)."""

"""What live tests share: simulated vendors over real HTTP and files, and the real exporter process."""

"""What a browser or a scraper sees of the monitor."""

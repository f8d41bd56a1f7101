"""Programs that ask or answer where wrk and nginx cannot: each is run by itself, on one core, and imports nothing of the rest."""

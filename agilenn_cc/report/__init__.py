"""Reports: what a build costs and what was proved of it, as values, JSON and a page."""

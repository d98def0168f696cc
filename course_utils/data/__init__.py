"""The data of the course: the list of assets, their fetcher, and what the lessons read from them."""

"""The service: `/v1/locate` and the map's page, over HTTP. It parses, calls the library and presents."""

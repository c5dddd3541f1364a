"""What benchmarks of the service share: the server as a process, kinds of requests, and clients that send them."""

"""Every metric name once; the access log; the live view of the route table."""

vcl 4.1;

backend files {
    .host = "127.0.0.1";
    .port = "8081";
}

sub vcl_recv {
    if (req.url == "/made") {
        return (synth(200, "Made"));
    }
}

# Under whatever name a client knows this server.
sub vcl_hash {
    hash_data(req.url);
    return (lookup);
}

# As long as a snapshot is used at most.
sub vcl_backend_response {
    set beresp.ttl = 24h;
}

sub vcl_deliver {
    set resp.http.X-Hits = obj.hits;
}

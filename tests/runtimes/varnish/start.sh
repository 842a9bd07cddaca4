#!/bin/sh
# The server of files in the background, Varnish in the foreground.
busybox httpd -p 127.0.0.1:8081 -h /www
exec varnishd -F -j none -a :8080 -f /etc/varnish/default.vcl -s malloc,32m -n /tmp/varnish

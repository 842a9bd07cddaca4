# HTTP::Daemon, one connection after another; an error ends the program.
use strict;
use warnings;
use Crypt::URandom ();
use HTTP::Daemon;
use HTTP::Response;
use JSON::PP;
use Net::SSLeay;

my $calls = 0;

sub uuid {
    my @bytes = unpack 'C16', Crypt::URandom::urandom(16);
    ($bytes[6], $bytes[8]) = ($bytes[6] & 15 | 64, $bytes[8] & 63 | 128);
    return join '-', unpack 'A8A4A4A4A12', join '', map { sprintf '%02x', $_ } @bytes;
}

sub random {
    Net::SSLeay::RAND_bytes(my $bytes, 16) or die 'no random bytes';
    return unpack 'H*', $bytes;
}

sub file {
    open my $out, '>:raw', '/tmp/written' or die $!;
    print $out $_[0];
    close $out or die $!;
    open my $in, '<:raw', '/tmp/written' or die $!;
    local $/;
    return scalar <$in>;
}

my %answers = (
    '/count'  => sub { ++$calls },
    '/uuid'   => \&uuid,
    '/random' => \&random,
    '/json'   => sub { encode_json({ echo => decode_json($_[0]) }) },
    '/body'   => sub { $_[0] },
    '/file'   => \&file,
    '/fail'  => sub { die "nobody catches this\n" },
);

my $daemon = HTTP::Daemon->new(LocalAddr => '0.0.0.0', LocalPort => $ENV{PORT} || 8080, ReuseAddr => 1) or die $!;
while (my $connection = $daemon->accept) {
    while (my $request = $connection->get_request) {
        my $content = $answers{ $request->uri->path }->($request->content);
        $connection->send_response(HTTP::Response->new(200, 'OK', [], $content));
    }
    $connection->close;
}

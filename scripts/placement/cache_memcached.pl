# Which server do Perl's clients ask? The servers answer with their number.
# Lines in, one index a line out: see scripts/golden-placement.
use strict;
use warnings;
use Cache::Memcached;
use Cache::Memcached::Fast;

my ($option, @servers, $client);
while (my $line = <STDIN>) {
    my ($kind, @words) = split ' ', $line;
    if ($kind eq 'option') { $option = $words[0]; next }
    if ($kind eq 'node') { push @servers, ["$words[0]:$words[1]", 0 + $words[2]]; next }
    if (!$client) {
        if ($option eq 'Cache::Memcached') {
            # It takes a single server only without a weight.
            my @plain = map { $_->[1] == 1 ? $_->[0] : $_ } @servers;
            $client = Cache::Memcached->new({ servers => \@plain });
        } else {
            my @fast = map { { address => $_->[0], weight => $_->[1] } } @servers;
            $client = Cache::Memcached::Fast->new({
                servers => \@fast, utf8 => 0, ($option eq 'ketama' ? (ketama_points => 160) : ()),
            });
        }
    }
    my $value = $client->get(pack('H*', $words[0]));
    die "no answer for $words[0]" unless defined $value && $value =~ /^n\|i:(\d+);$/;
    print "$1\n";
}

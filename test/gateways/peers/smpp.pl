# An SMPP 3.4 message centre made of Perl's Net::SMPP. What it is told and what it tells stands in smpp_peer_test.go. Its
# receipts have no TLVs, and its error answers have a body.
use strict;
use warnings;
use Encode qw(decode);
use IO::Select;
use JSON::PP;
use Net::SMPP;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

my ($port, $system_id, $password) = @ARGV;
$SIG{PIPE} = 'IGNORE';
$SIG{__WARN__} = sub { print STDERR @_ unless $_[0] =~ /^(premature eof|error reading header)/ }; # so it says that a link has ended

my $json = JSON::PP->new->utf8->canonical;
sub inform { syswrite(STDOUT, $json->encode({@_}) . "\n") }

my $server = Net::SMPP->new_listen('127.0.0.1', port => $port, smpp_version => 0x34) or die "listen: $!";
my $select = IO::Select->new(\*STDIN, $server);
my (%links, %parts, %commands);    # by number of the link; of long texts that are not whole
my ($last_link, $last_id, $bind_status, $seen, $quiet, $submits, $most) = (0) x 7;
my %fate = (fate => 'ok', nth => 1);
my $input = '';

sub answer {
    my ($state, $seq, %fields) = @_;
    $state->{outstanding}--;
    $state->{socket}->submit_sm_resp(seq => $seq, message_id => '', %fields);
}

sub close_link {
    my ($state, $reset) = @_;
    setsockopt($state->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $reset;
    $select->remove($state->{socket});
    close $state->{socket};
    delete $links{ $state->{link} };
    inform(event => 'closed', link => $state->{link});
}

my %requests = (
    Net::SMPP::CMD_bind_transceiver, sub {
        my ($state, $pdu) = @_;
        my $status = $bind_status;
        $status ||= 0x0e if $pdu->{system_id} ne $system_id || $pdu->{password} ne $password; # ESME_RINVPASWD
        inform(event => 'bind', link => $state->{link}, status => $status, system_type => $pdu->{system_type},
            version => $pdu->{interface_version});
        $state->{socket}->bind_transceiver_resp(seq => $pdu->{seq}, status => $status, system_id => 'perl');
        return close_link($state) if $status;
        $state->{bound} = 1;
    },
    Net::SMPP::CMD_submit_sm, \&submit,
    Net::SMPP::CMD_enquire_link, sub {
        my ($state, $pdu) = @_;
        inform(event => 'enquire', link => $state->{link});
        $state->{socket}->enquire_link_resp(seq => $pdu->{seq});
    },
    Net::SMPP::CMD_enquire_link_resp, sub { inform(event => 'enquired', link => $_[0]{link}) },
    Net::SMPP::CMD_deliver_sm_resp, sub {
        my ($state, $pdu) = @_;
        inform(event => 'delivered', link => $state->{link}, seq => $pdu->{seq}, status => $pdu->{status});
    },
    Net::SMPP::CMD_unbind, sub {
        my ($state, $pdu) = @_;
        inform(event => 'unbind', link => $state->{link});
        $state->{socket}->unbind_resp(seq => $pdu->{seq});
        close_link($state);
    },
    Net::SMPP::CMD_unbind_resp, sub { close_link($_[0]) },
);

sub submit {
    my ($state, $pdu) = @_;
    $most = $state->{outstanding} if ++$state->{outstanding} > $most;
    $submits++;
    my $id  = sprintf '%010d', ++$last_id;
    my $met = ++$seen % ($fate{nth} || 1) == 0;
    my $now = $met ? $fate{fate} : 'ok';
    my $status = $now eq 'refuse' ? $fate{status} : 0;
    %fate = (fate => 'ok', nth => 1) if $met && $fate{once};
    unless ($quiet) {
        my ($header, $octets) = ('', $pdu->{short_message});
        $header = substr $octets, 0, 1 + ord($octets), '' if $pdu->{esm_class} & 0x40;
        my %alphabets = (0 => 'gsm0338', 3 => 'iso-8859-1', 8 => 'UTF-16BE');
        my $text = decode($alphabets{ $pdu->{data_coding} }, $octets, Encode::FB_CROAK);
        inform(
            event => 'submit', link => $state->{link}, id => $id, status => $status, fate => $now, seq => $pdu->{seq},
            to => $pdu->{destination_addr}, to_ton => $pdu->{dest_addr_ton}, to_npi => $pdu->{dest_addr_npi},
            from => $pdu->{source_addr}, from_ton => $pdu->{source_addr_ton}, from_npi => $pdu->{source_addr_npi},
            coding => $pdu->{data_coding}, esm_class => $pdu->{esm_class}, registered => $pdu->{registered_delivery}, text => $text,
        );
        join_parts($state, $pdu->{destination_addr}, $id, $header, $text) if $now =~ /^(ok|batch|early)$/;
    }
    if ($now eq 'ok') { answer($state, $pdu->{seq}, message_id => $id) }
    elsif ($now eq 'refuse') { answer($state, $pdu->{seq}, status => $status) }
    elsif ($now eq 'cut') { close_link($state, 1) }
    elsif ($now eq 'early') { # its receipt comes first
        $commands{receipt}->({ id => $id, from => $pdu->{source_addr}, to => $pdu->{destination_addr}, stat => 'DELIVRD', err => '000' });
        answer($state, $pdu->{seq}, message_id => $id);
    }
    elsif ($now eq 'batch') { # answered together, last first, once there are so many and one more had its time to come
        push @{ $state->{batch} }, [ $pdu->{seq}, message_id => $id ];
        $state->{due} = time + 0.002 if @{ $state->{batch} } == $fate{size};
    }
}

# join_parts tells of a text that is whole: one of a single message at once, another with its last part.
sub join_parts {
    my ($state, $to, $id, $header, $text) = @_;
    return inform(event => 'message', to => $to, text => $text, ids => [$id]) if $header eq '';
    # 8-bit reference, 23.040 9.2.3.24.1
    my ($length, $element, $size, $reference, $count, $number) = unpack 'C*', $header;
    return inform(event => 'error', link => $state->{link}, error => 'a header of another form: ' . unpack('H*', $header))
        if $length != 5 || $element != 0 || $size != 3 || $number < 1 || $number > $count;
    my $texts = $parts{"$state->{link} $to $reference $count"} ||= {};
    $texts->{$number} = [ $text, $id ];
    if (keys %$texts == $count) {
        my @all = map { $texts->{$_} } 1 .. $count;
        delete $parts{"$state->{link} $to $reference $count"};
        inform(event => 'message', to => $to, text => join('', map { $_->[0] } @all), ids => [ map { $_->[1] } @all ]);
    }
}

sub bound { map { $_->{socket} } grep { $_->{bound} } values %links }

%commands = (
    bind   => sub { $bind_status = $_[0]{status} },
    submit => sub { %fate = %{ $_[0] }; $seen = 0 },
    quiet  => sub { $quiet = $_[0]{on} },
    count  => sub { return submits => $submits, most => $most },
    receipt => sub {
        my $c = shift;
        my $text = "id:$c->{id} sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:$c->{stat} err:$c->{err} text:";
        $_->deliver_sm(async => 1, source_addr => $c->{to}, destination_addr => $c->{from}, esm_class => 4, short_message => $text)
            for bound();
    },
    say => sub {
        my $c = shift;
        $_->deliver_sm(async => 1, source_addr => $c->{to}, destination_addr => $c->{from}, esm_class => $c->{esm_class},
            short_message => $c->{text})
            for bound();
    },
    enquire => sub { $_->enquire_link(async => 1) for bound() },
    unbind  => sub { $_->unbind(async => 1) for bound() },
    cut     => sub { close_link($_, 1) for values %links },
);

inform(event => 'listening');
while (1) {
    my ($due) = sort { $a <=> $b } map { $_->{due} || () } values %links;
    for my $ready ($select->can_read(defined $due ? ($due > time ? $due - time : 0) : undef)) {
        if ($ready == \*STDIN) {
            sysread(STDIN, $input, 65536, length $input) or exit 0;
            while ($input =~ s/^(.*)\n//) {
                my $command = $json->decode($1);
                my @said = $commands{ $command->{do} }->($command);
                inform(event => 'done', $command->{do} eq 'count' ? @said : ());
            }
        } elsif ($ready == $server) {
            my $socket = $server->accept or next;
            $last_link++;
            $links{$last_link} = { link => $last_link, socket => $socket, outstanding => 0, batch => [] };
            $select->add($socket);
        } else {
            my ($state) = grep { $_->{socket} == $ready } values %links or next;
            my $pdu = $ready->read_pdu();
            if (!$pdu) { close_link($state) }
            elsif (my $request = $requests{ $pdu->{cmd} }) { $request->($state, $pdu) }
            else { $ready->generic_nack(seq => $pdu->{seq}, status => 3) } # ESME_RINVCMDID
        }
    }
    for my $state (grep { $_->{due} && $_->{due} <= time } values %links) {
        delete $state->{due};
        answer($state, @$_) for reverse splice @{ $state->{batch} };
    }
}

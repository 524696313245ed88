# Lists the files of an archive as Archive::Tar reads them: name, size and SHA-256.
use strict;
use warnings FATAL => 'all';
use Archive::Tar;
use Digest::SHA qw(sha256_hex);

my $archive = Archive::Tar->new or die;
$archive->read($ARGV[0]) or die $archive->error;
binmode STDOUT;
for my $member ($archive->get_files) {
    next unless $member->is_file;
    my $data = $member->get_content // '';
    printf "%s\t%d\t%s\n", $member->full_path, length $data, sha256_hex($data);
}

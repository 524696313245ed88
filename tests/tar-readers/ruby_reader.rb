# Lists the files of an archive as RubyGems reads them: name, size and SHA-256.
require 'digest'
require 'rubygems/package'

File.open(ARGV[0], 'rb') do |file|
  Gem::Package::TarReader.new(file).each do |member|
    next unless member.header.typeflag == '0'

    data = member.read || ''
    $stdout.write("#{member.full_name}\t#{data.bytesize}\t#{Digest::SHA256.hexdigest(data)}\n")
  end
end

// Lists the files of an archive as a package of npm reads them: name, size and SHA-256; or extracts it.
const crypto = require('node:crypto');
const fs = require('node:fs');

const [which, archive, into] = process.argv.slice(2);
const fail = (error) => { console.error(error); process.exit(1); };
const lines = [];

function member(name, stream, done) {
  const sum = crypto.createHash('sha256');
  let size = 0;
  stream.on('data', (bytes) => { sum.update(bytes); size += bytes.length; });
  stream.on('error', fail);
  stream.on('end', () => { lines.push(`${name}\t${size}\t${sum.digest('hex')}\n`); done(); });
}

const finish = () => fs.writeSync(1, lines.join(''));
const readers = {
  'tar': () => {
    const parser = new (require('tar').Parser)({ strict: true });
    parser.on('entry', (entry) => (entry.type === 'File' ? member(entry.path, entry, () => {}) : entry.resume()));
    return parser.on('end', finish);
  },
  'tar-stream': () => {
    const extract = require('tar-stream').extract();
    extract.on('entry', (header, stream, next) => {
      if (header.type === 'file') return member(header.name, stream, next);
      stream.on('end', next).resume();
    });
    return extract.on('finish', finish);
  },
  'tar-fs': () => require('tar-fs').extract(into, { strict: true }),
  'tar extract': () => require('tar').extract({ cwd: into, strict: true }),
};
fs.createReadStream(archive).on('error', fail).pipe(readers[which]().on('error', fail));

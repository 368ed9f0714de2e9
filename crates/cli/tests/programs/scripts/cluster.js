// Two workers to which the first process hands connections as descriptors.
const cluster = require('cluster'), http = require('http');

async function ask() {
  const workers = new Set();
  for (let n = 0; n < 20; n++) {
    workers.add(await (await fetch('http://127.0.0.1:8100/', { headers: { connection: 'close' } })).text());
  }
  console.log('workers', workers.size);
  process.exit(0);
}

if (cluster.isPrimary) {
  let listening = 0;
  cluster.on('listening', () => ++listening == 2 && ask());
  cluster.fork();
  cluster.fork();
} else {
  http.createServer((_, response) => response.end(String(process.pid))).listen(8100, '127.0.0.1');
}

// An HTTP server and twenty fetches, a POST, a refusal, a name, datagrams, IPv6: all through libuv.
const http = require('http'), net = require('net'), dgram = require('dgram'), fs = require('fs');
const noise = fs.readFileSync('noise');
const once = (emitter, event) => new Promise(resolve => emitter.once(event, (...given) => resolve(given)));

async function body(url, options) {
  return Buffer.from(await (await fetch(url, options)).arrayBuffer());
}

async function main() {
  const server = http.createServer((request, response) =>
    request.method == 'POST' ? request.pipe(response) : response.end(noise));
  server.listen(8000, '127.0.0.1');
  await once(server, 'listening');
  const all = await Promise.all([...Array(20)].map(() => body('http://127.0.0.1:8000/')));
  console.log('fetched', all.filter(one => one.equals(noise)).length);
  console.log('posted', (await body('http://localhost:8000/', { method: 'POST', body: noise })).equals(noise));
  await fetch('http://127.0.0.1:8001/').catch(error => console.log(error.cause.code));
  console.log((await body('http://portolan.internal/bytes/4')).toString('hex'));

  const echo = dgram.createSocket('udp4'), asker = dgram.createSocket('udp4');
  echo.bind(9000, '127.0.0.1');
  await once(echo, 'listening');
  echo.on('message', (message, from) => echo.send(message.toString().toUpperCase(), from.port, from.address));
  asker.send('datagram', 9000, '127.0.0.1');
  console.log((await once(asker, 'message'))[0].toString());

  const six = net.createServer(client => client.end('six')).listen(9001, '::1');
  await once(six, 'listening');
  console.log((await once(net.connect(9001, '::1'), 'data'))[0].toString());
  process.exit(0);
}

main();

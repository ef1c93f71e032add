// Lambda's Runtime API over one connection that is kept.
//
// AWS's own client for Node, `aws-lambda-ric`, is a native module that is compiled at its installation, with cmake and a C++ compiler.
// What it does for a function is this loop.

import { Agent, request } from 'node:http';

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

// Answers one invocation after the other with what the handler gives for its event.
export async function serve(handler) {
  for (;;) {
    const { headers, body } = await call('GET', 'next');
    const id = headers['lambda-runtime-aws-request-id'];
    let answer;
    try {
      answer = await handler(JSON.parse(body));
    } catch (error) {
      const { name, message, stack = '' } = error;
      const report = { errorType: name, errorMessage: message, trace: stack.split('\n') };
      await call('POST', `${id}/error`, JSON.stringify(report));
      continue;
    }
    await call('POST', `${id}/response`, JSON.stringify(answer));
  }
}

function call(method, path, content) {
  const headers =
    content === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) };
  const options = { agent, hostname, port, method, headers, path: `/2018-06-01/runtime/invocation/${path}` };
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(content);
  });
}

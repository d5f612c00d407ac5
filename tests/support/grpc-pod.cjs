// A gRPC server at every address: `node grpc-pod.cjs <port>`. Messages are plain text. Of the services mesh.v1.Quotes and mesh.v1.Risks:
//   Get    answers with the service, the address at which it was reached, and the message
//   Watch  answers three times
//   Fail   answers with the status NOT_FOUND
const grpc = require("@grpc/grpc-js");

const [port] = process.argv.slice(2);
const text = { serialize: (value) => Buffer.from(value), deserialize: (value) => value.toString() };
const method = (path, responseStream) => ({
  path,
  requestStream: false,
  responseStream,
  requestSerialize: text.serialize,
  requestDeserialize: text.deserialize,
  responseSerialize: text.serialize,
  responseDeserialize: text.deserialize,
});

const server = new grpc.Server();
for (const service of ["mesh.v1.Quotes", "mesh.v1.Risks"]) {
  const definition = {
    get: method(`/${service}/Get`, false),
    watch: method(`/${service}/Watch`, true),
    fail: method(`/${service}/Fail`, false),
  };
  server.addService(definition, {
    get: (call, done) => done(null, `${service} ${call.request} at ${call.getHost()}`),
    watch: (call) => {
      for (const number of [1, 2, 3]) call.write(`${number} ${call.request}`);
      call.end();
    },
    fail: (_call, done) => done({ code: grpc.status.NOT_FOUND, details: "no such quote" }),
  });
}
server.bindAsync(`0.0.0.0:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});

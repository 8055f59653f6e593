// A whole Node-RED, editor and all, in a process of its own; ./index.ts starts it. What it writes goes to
// its log; what people should know goes to the parent as messages.
const { createServer } = require("node:http");
const RED = require("node-red");
const express = require(require.resolve("express", { paths: [require.resolve("node-red")] }));

const { port, anyPort, settings } = JSON.parse(process.env.DEMO_NODE_RED);
delete process.env.DEMO_NODE_RED;
const triedPorts = 50;

const tell = (event) => process.connected && process.send(event);
const app = express();
const server = createServer(app);

function listen(wanted) {
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(wanted, "127.0.0.1", () => {
      server.off("error", reject);
      resolve(wanted);
    });
  }).catch((error) => {
    const next = wanted + 1;
    if (!anyPort || error.code !== "EADDRINUSE" || next >= port + triedPorts) throw error;
    return listen(next);
  });
}

/** Each message that leaves a node with the record of a delivery in it. */
function tellOutcomes(events) {
  for (const { msg, source } of events) {
    if (msg?.delivery) tell({ event: "sent", node: source.id, output: source.port, delivery: msg.delivery });
  }
}

async function start() {
  const uiPort = await listen(port);
  RED.init(server, { ...settings, uiPort });
  app.use("/", RED.httpAdmin);
  app.use("/", RED.httpNode);
  RED.hooks.add("onSend.demo", tellOutcomes);
  RED.events.on("runtime-event", ({ payload }) => {
    if (payload?.error) tell({ event: "failed", reason: `its flows do not start: ${payload.error}` });
  });
  RED.events.once("flows:started", () => tell({ event: "started", port: uiPort }));
  await RED.start();
}

// Ctrl+C reaches everybody at the terminal at once; the parent says when it is our turn.
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});
process.once("SIGTERM", () => RED.stop().then(() => process.exit(0)));
// Nobody is left to stop it.
process.once("disconnect", () => process.exit(1));

start().catch((error) => {
  tell({ event: "failed", code: error.code, reason: error.message });
});

// A whole Node-RED, editor and all, embedded in a process of its own; ./node-red-process.ts starts it.
// Plain JavaScript, because it runs on whatever Node.js the Node-RED under test needs.
const { createServer } = require("node:http");
const { createRequire } = require("node:module");

const { nodeRedFolder, settings } = JSON.parse(process.env.NODE_RED_CHILD);
const fromNodeRed = createRequire(`${nodeRedFolder}/package.json`);
const RED = fromNodeRed(nodeRedFolder);
const app = fromNodeRed("express")();
const server = createServer(app);

function send(event) {
  if (!process.connected) return;
  try {
    process.send(event);
  } catch {
    // Not everything in a message can be sent: functions, sockets. What JSON makes of it can.
    process.send(JSON.parse(JSON.stringify(event)));
  }
}

RED.init(server, {
  ...settings,
  logging: {
    console: { level: "info" },
    events: { level: "info", handler: () => (entry) => send({ event: "log", entry: plainEntry(entry) }) },
  },
});
app.use("/", RED.httpAdmin);
app.use(settings.httpNodeRoot, RED.httpNode);

function plainEntry({ level, msg, type, id, name }) {
  const text = typeof msg === "string" ? msg : msg instanceof Error ? msg.stack : JSON.stringify(msg);
  return { level, text, type, id, name };
}

RED.events.on("node-status", ({ id, status }) => send({ event: "status", id, status }));
RED.events.on("comms", ({ topic, data }) => send({ event: "comms", topic, data }));
RED.events.on("flows:started", () => send({ event: "started" }));
RED.events.on("runtime-event", ({ payload }) => {
  if (payload?.error) send({ event: "not-started", reason: JSON.stringify(payload) });
});
RED.hooks.add("onReceive.test", ({ msg, destination }) => {
  if (destination.node?.type === "debug") send({ event: "message", id: destination.id, msg });
});

process.on("message", (question) => {
  if (question === "loaded files") send({ event: "loaded", files: Object.keys(require.cache) });
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => RED.stop().then(() => process.exit()));
}
// Nobody is left to stop it.
process.once("disconnect", () => process.exit(1));

RED.start().then(() => {
  server.listen(0, "127.0.0.1", () => send({ event: "listening", port: server.address().port }));
});

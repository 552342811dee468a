// The Bot API of Telegram as telegram-test-api plays it, on a free port of loopback. Prints its address.
//
// usage: node telegram.mjs FOLDER-WITH-NODE_MODULES
import { createRequire } from "node:module";
import { createServer } from "node:net";

const modules = createRequire(`${process.argv[2]}/peers.js`);
const { TelegramServer } = modules("telegram-test-api/lib/telegramServer.js");

const free = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

const port = await free();
const server = new TelegramServer({ port, host: "127.0.0.1", storage: "RAM", storeTimeout: 600 });
await server.start();
console.log(`http://127.0.0.1:${port}`);

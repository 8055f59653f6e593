// Preloaded by the processes of the tests: their threads, which are of TypeScript there, are those that
// compile-threads.mts has made. Compiling each anew, with tsx, took as long as all that the thread did.
const { basename, join } = require("node:path");

require.extensions[".ts"] = (module, file) => {
  module.exports = require(join(__dirname, "../../.cache/threads", `${basename(file, ".ts")}.js`));
};

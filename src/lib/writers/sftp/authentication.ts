import type { AnyAuthMethod } from "ssh2";
import type { SftpConnectionOptions } from "./options";

type Method = "publickey" | "password" | "keyboard-interactive";

export interface Authentication {
  /** What to try next, given what the server still takes; false when there is nothing. */
  next(left: readonly string[] | null, partialSuccess: boolean | null): AnyAuthMethod | false;
  /** Why it was refused: a sentence. */
  reason(): string;
}

/**
 * Logs in with what there is, each once: more would lock the account on many servers. The password is typed
 * in only where the server does not take it directly (RFC 4256), and only at one question without an echo.
 */
export function createAuthentication(options: SftpConnectionOptions): Authentication {
  const { user: username, password, privateKey, passphrase } = options;
  const tried: Method[] = [];
  let taken: readonly string[] = [];
  let unanswered = false;

  const prompt: Extract<AnyAuthMethod, { type: "keyboard-interactive" }>["prompt"] = (
    _name,
    _instructions,
    _language,
    prompts,
    finish,
  ) => {
    const [question] = prompts;
    if (prompts.length === 1 && question?.echo === false) return finish([password ?? ""]);
    unanswered = true;
    finish([]);
  };

  const methods: [Method, () => AnyAuthMethod | undefined][] = [
    [
      "publickey",
      () =>
        privateKey === undefined
          ? undefined
          : { type: "publickey", username, key: privateKey, ...(passphrase !== undefined && { passphrase }) },
    ],
    ["password", () => (password === undefined ? undefined : { type: "password", username, password })],
    [
      "keyboard-interactive",
      () => (password === undefined ? undefined : { type: "keyboard-interactive", username, prompt }),
    ],
  ];

  return {
    next(left, partialSuccess) {
      // RFC 4252 §5.2: its refusal tells what the server takes.
      if (left === null) return { type: "none", username };
      taken = left;
      const wrongPassword = tried.at(-1) === "password" && partialSuccess !== true;
      for (const [method, create] of methods) {
        if (tried.includes(method) || !left.includes(method)) continue;
        if (method === "keyboard-interactive" && wrongPassword) continue;
        const attempt = create();
        if (!attempt) continue;
        tried.push(method);
        return attempt;
      }
      return false;
    },
    reason() {
      if (unanswered) {
        return "it asks for more than a password, which nobody is here to type. Use a key, or another account.";
      }
      if (tried.length === 0) {
        return `it takes only ${taken.join(" or ")}. Give the connection what it takes.`;
      }
      const what = {
        publickey: "the private key",
        password: "the password",
        "keyboard-interactive": "the password",
      };
      const given = [...new Set(tried.map((method) => what[method]))].join(" and ");
      return `it did not take ${given}. Check the user name and ${given}.`;
    },
  };
}

/**
 * A process that mails one notification, and can die just when the mail server has it: `tsx
 * notification-child.ts <task as JSON>`. Prints how the notification ended as JSON.
 */
import {
  createMailNotifier,
  createSmtpConnection,
  createSqliteStore,
  type Delivery,
  DeliveryRunner,
  type Notification,
  notificationDraft,
  notifierAttempt,
  readSmtpConnectionOptions,
} from "../../src/lib";

export interface NotificationTask {
  /** The store's. */
  readonly file: string;
  /** As `readSmtpConnectionOptions` reads them. */
  readonly connection: object;
  /** None: what the store has is sent. */
  readonly notification?: Notification;
  readonly dies: boolean;
}

async function main(): Promise<void> {
  const [json = "{}"] = process.argv.slice(2);
  const { file, connection: settings, notification, dies } = JSON.parse(json) as NotificationTask;
  const connection = createSmtpConnection(readSmtpConnectionOptions(settings));
  const attempt = notifierAttempt(createMailNotifier(connection));
  const store = createSqliteStore({ file });
  let tell: (delivery: Delivery) => void = () => {};
  const ended = new Promise<Delivery>((resolve) => {
    tell = resolve;
  });
  const runner = new DeliveryRunner({
    queue: "notify",
    store,
    async attempt(delivery, context) {
      const receipt = await attempt(delivery, context);
      // The server has answered 250, and nothing here has been noted of it.
      if (dies) process.kill(process.pid, "SIGKILL");
      return receipt;
    },
    announce: (delivery) => tell(delivery),
  });
  runner.start();
  if (notification) {
    const writer = { id: "notify", type: "mail", name: "" };
    const draft = notificationDraft(notification);
    await runner.accept({ ...draft, location: draft.target, writer });
  }
  process.stdout.write(JSON.stringify(await ended));
  await runner.close();
  await store.close();
  connection.close();
}

void main();
